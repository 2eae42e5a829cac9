"""Take a context out of an adapter: the result is a new adapter that never saw it, exactly."""

from adapters_core.canonical import digest_of
from adapters_core.errors import InputError
from adapters_core.ledger import adapter_queries, jobs
from adapters_core.ledger.job_queries import Job
from governance.actors import snapshot
from governance.policy.actions import Action
from governance.policy.actors import Actor
from governance.services import facts, references
from governance.services.acting import Act, perform


def erase(actor: Actor, *, adapter: str, context: str, name: str = "") -> Job:
    """Queue the erasure.

    Raises:
        DeniedError: the rules refuse.
        InputError: the adapter was not made from this context, or from nothing else.
        UnknownSubjectError: there is no such adapter.
    """

    def work(act: Act) -> Job:
        act.ask(facts.adapter_facts(act.tx, adapter))
        contexts = adapter_queries.contexts_of_adapter(act.tx, adapter)
        if context not in contexts or len(contexts) < 2:  # noqa: PLR2004  this one and another
            raise InputError(
                f"what is erased must be one of several contexts of the adapter, got {context} of {len(contexts)}: "
                "retire an adapter that is made from one context only"
            )
        return jobs.submit_job(
            act.tx,
            kind="erase",
            job_key=digest_of({"kind": "erase", "parent": adapter, "context": context, **facts.maker(act.tx)}),
            payload={
                "adapter": adapter,
                "context": context,
                "name": name.strip() or facts.dossier(act.tx, adapter).row.name,
            },
            actor=snapshot(act.actor),
        )

    return perform(actor, Action.ERASE, references.adapter(adapter), work)
