"""One job from its lease to its end."""

import logging
from collections.abc import Callable, Mapping

from adapters_core.errors import LeaseLostError, RingiError
from adapters_core.ledger.job_queries import Job
from adapters_core.ledger.jobs import fail_job, lease_job
from governance.services.leftovers import send_away
from governance.worker.evaluating import evaluate
from governance.worker.generating import MAKERS
from governance.worker.heartbeat import Heartbeat
from governance.worker.verifying import verify
from governance.worker.workplace import Workplace, passes

WORK: Mapping[str, Callable[[Workplace, Job, Heartbeat], object]] = {**MAKERS, "evaluate": evaluate, "verify": verify}
"""Kind of a job -> what does it."""
ON_THE_CORE = (*MAKERS, "evaluate")
ON_THE_LEDGER = ("verify",)
LONGEST_PAUSE = 20.0
_TRIES_OF_A_FAULT = 3
_LOG = logging.getLogger("ringi.worker")


def work_once(at: Workplace, kinds: tuple[str, ...] = ON_THE_CORE) -> bool:
    """Do the job of these kinds that is next; answers whether there was one."""
    with at.ledger.write() as tx:
        job = lease_job(tx, worker=at.name, kinds=kinds, seconds=at.lease_seconds)
    if job is None:
        return False
    beat = Heartbeat(at.ledger, job, seconds=at.lease_seconds)
    try:
        with beat:
            WORK[job.kind](at, job, beat)
    except LeaseLostError:
        _LOG.info("job %s ended or went to another worker", job.job)
        _clear_up(at, job, beat.adapter)
    except RingiError as error:
        _give_back(at, job, f"{error.code}: {error}", pause=_pause(job) if passes(error) else None, made=beat.adapter)
    except Exception as error:  # noqa: BLE001  a fault of ours must not end the worker, nor lose the job
        _LOG.exception("job %s failed in a way that was not foreseen", job.job)
        again = _pause(job) if job.attempts < _TRIES_OF_A_FAULT else None
        _give_back(at, job, f"{type(error).__name__} in {job.kind}", pause=again, made=beat.adapter)
    else:
        _LOG.info("job %s %s done", job.job, job.kind)
    return True


def _give_back(at: Workplace, job: Job, error: str, *, pause: float | None, made: str | None) -> None:
    """Give a job back; where it failed for good, what the core made for it goes."""
    _LOG.warning("job %s %s: %s", job.job, "waits" if pause else "failed", error)
    try:
        with at.ledger.write() as tx:
            fail_job(tx, job, error=error, retry_in=pause)
            send_away(tx, job.job, made)
    except LeaseLostError:
        _LOG.info("job %s ended or went to another worker", job.job)
        _clear_up(at, job, made)


def _clear_up(at: Workplace, job: Job, made: str | None) -> None:
    """Have removed what the core made for a job that somebody cancelled meanwhile."""
    with at.ledger.write() as tx:
        send_away(tx, job.job, made)


def _pause(job: Job) -> float:
    return float(min(LONGEST_PAUSE, 2.0 ** min(job.attempts - 1, 10)))
