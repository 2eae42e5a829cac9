"""Add a context to an adapter: the result is a new adapter whose parent is this one."""

from adapters_core.canonical import digest_of
from adapters_core.errors import DeniedError
from adapters_core.ledger import jobs
from adapters_core.ledger.context_queries import context as context_row
from adapters_core.ledger.job_queries import Job
from governance.actors import snapshot
from governance.policy.actions import Action
from governance.policy.actors import Actor
from governance.policy.reasons import REASONS
from governance.services import facts, references
from governance.services.acting import Act, perform
from governance.services.recordable import check_text


def extend(actor: Actor, *, adapter: str, context: str, name: str = "") -> Job:
    """Queue the extension.

    Raises:
        PersonalDataError: the name holds personal data.
        DeniedError: the rules refuse, or the context was erased.
        UnknownSubjectError: there is no such adapter or context.
    """
    check_text(name)

    def work(act: Act) -> Job:
        act.ask(facts.adapter_facts(act.tx, adapter))
        row = context_row(act.tx, context)
        if row.state == "erased":
            raise DeniedError(str(REASONS["context_erased"]), reason_code="context_erased")
        title = name.strip() or facts.dossier(act.tx, adapter).row.name
        return jobs.submit_job(
            act.tx,
            kind="extend",
            job_key=digest_of({"kind": "extend", "parent": adapter, "context": context, **facts.maker(act.tx)}),
            payload={"adapter": adapter, "context": context, "name": title},
            actor=snapshot(act.actor),
        )

    return perform(actor, Action.EXTEND, references.adapter(adapter), work)
