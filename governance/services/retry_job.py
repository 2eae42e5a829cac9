"""Cancel a job, or try it again. Jobs are work, no evidence: only what is refused becomes an entry."""

from adapters_core.ledger import job_queries, jobs
from adapters_core.ledger.job_queries import Job
from governance.policy.actions import Action
from governance.policy.actors import Actor
from governance.policy.subjects import JobFacts
from governance.services import leftovers, references
from governance.services.acting import Act, perform


def cancel_job(actor: Actor, *, job: str) -> None:
    """End a job that has no result yet; a worker that has it drops it, and what the core has made for it is removed.

    Raises:
        DeniedError: the rules refuse.
        UnknownSubjectError: there is no such job.
    """

    def work(act: Act) -> None:
        act.ask(job_facts(job_queries.job(act.tx, job)))
        jobs.cancel_job(act.tx, job)
        leftovers.send_away(act.tx, job)

    perform(actor, Action.CANCEL_JOB, references.job(job), work)


def retry_job(actor: Actor, *, job: str) -> Job:
    """Queue a job again that failed or was cancelled; it stays the job of whoever submitted it.

    Raises:
        DeniedError: the rules refuse.
        UnknownSubjectError: there is no such job.
    """

    def work(act: Act) -> Job:
        known = job_queries.job(act.tx, job)
        act.ask(job_facts(known))
        return jobs.submit_job(act.tx, kind=known.kind, job_key=known.job_key, payload=known.payload, actor=known.actor)

    return perform(actor, Action.RETRY_JOB, references.job(job), work)


def job_facts(job: Job) -> JobFacts:
    """What the rules are told of a job."""
    return JobFacts(owner=job.actor.id, state=job.state)
