"""Generate an adapter from a context: queued for a worker, which records the result."""

from adapters_core.canonical import digest_of
from adapters_core.ledger import jobs, queries
from adapters_core.ledger.context_queries import context as context_row
from adapters_core.ledger.job_queries import Job
from governance.actors import snapshot
from governance.policy.actions import Action
from governance.policy.actors import Actor
from governance.services import facts, references
from governance.services.acting import Act, perform
from governance.services.recordable import check_text


def generate(actor: Actor, *, context: str, name: str = "", decay: float = 1.0) -> Job:
    """Queue the generation; the same context with the same settings, generator and code is the same job.

    Args:
        actor: who asks for it, and is recorded as the adapter's maker.
        context: its id.
        name: what people call the adapter; the context's title unless given.
        decay: factor on earlier chunks at each new one.

    Raises:
        PersonalDataError: the name holds personal data.
        DeniedError: the rules refuse.
        UnknownSubjectError: there is no such context.
    """
    check_text(name)

    def work(act: Act) -> Job:
        row = context_row(act.tx, context)
        act.ask(facts.context_facts(act.tx, context))
        commitment = queries.entry(act.tx, row.seq).data["commitment"]
        made_of = {"commitment": commitment, "context": context, "decay": decay, **facts.maker(act.tx)}
        return jobs.submit_job(
            act.tx,
            kind="generate",
            job_key=digest_of({"kind": "generate", **made_of}),
            payload={"context": context, "name": name.strip() or row.title, "decay": decay},
            actor=snapshot(act.actor),
        )

    return perform(actor, Action.GENERATE, references.context(context), work)
