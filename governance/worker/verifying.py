"""A job that verifies the ledger."""

from adapters_core.ledger.job_queries import Job
from adapters_core.ledger.jobs import Result, finish_job
from governance.selectors.verification import Wanted, run
from governance.services.note_verified import note_verified
from governance.worker.heartbeat import Heartbeat
from governance.worker.workplace import Workplace


def verify(at: Workplace, job: Job, beat: Heartbeat) -> None:
    """Verify what the job asks for; what was found is its result.

    Raises:
        LeaseLostError: the job was cancelled, or another worker has it.
        StorageError: the public key cannot be read.
    """
    beat.stage("verify")
    asked = job.payload
    wanted = Wanted(**{**asked, "anchors": tuple(asked["anchors"])})
    with at.ledger.read() as reader:
        outcome = run(reader, wanted, beat.progress)
    note_verified(outcome.report)
    # Another run may find another size: it is the same job all the same.
    result = Result(digest=job.job_key, data=outcome.to_json())
    with at.ledger.write() as tx:
        finish_job(tx, job, result, actor=job.actor)
