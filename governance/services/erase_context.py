"""Erase a context: its text and key go, the chain stays verifiable, and what was built from it is retired."""

from adapters_core.errors import InputError
from adapters_core.ledger import adapter_queries, outbox, queries, slot_queries, vault
from governance.policy.actions import Action
from governance.policy.actors import Actor
from governance.policy.system_words import written
from governance.services import facts, placing, references
from governance.services.acting import Act, perform
from governance.services.leftovers import TOPIC


def erase_context(actor: Actor, *, context: str, legal_basis: str) -> tuple[str, ...]:
    """Erase; answers the digests of the adapters that were built from it and are retired now.

    Slots that serve one of them are put back to the bare base. What adapters built from it answered goes too, under
    whichever context it lies. A worker deletes their files, also of those that were retired before, and scrubs the
    vault until the database's files hold nothing of it either. An adapter of several contexts is rebuilt without this
    one by :func:`erase.erase`, before this.

    Raises:
        DeniedError: the rules refuse; the context is under legal hold, for instance.
        InputError: no legal basis is named.
        UnknownSubjectError: there is no such context.
    """
    if not legal_basis.strip():
        raise InputError("an erasure must name its legal basis, got none")

    def work(act: Act) -> tuple[str, ...]:
        act.ask(facts.context_facts(act.tx, context))
        built = adapter_queries.adapters_of_context(act.tx, context)
        digests = tuple(row.digest for row in built if row.state != "retired")
        entry = act.append(
            "context:erased",
            {"legal_basis": legal_basis.strip(), "adapters": list(digests)},
            refs=tuple(references.adapter(digest) for digest in digests),
        )
        for digest in digests:
            _retire(act, context, digest)
        for row in built:  # also what was retired before: its files hold what the context said
            outbox.send(act.tx, topic=TOPIC, key=row.digest, payload={"adapter": row.digest}, seq=entry.seq)
            vault.forget(act.tx, _said_by(act, row.digest))
        vault.erase(act.tx, context)
        outbox.send(act.tx, topic="vault.scrub", key=context, payload={}, seq=entry.seq)
        return digests

    return perform(actor, Action.ERASE_CONTEXT, references.context(context), work)


def _retire(act: Act, context: str, digest: str) -> None:
    reason = written("context_erased", context=context)
    for slot in slot_queries.slots(act.tx):
        pending = slot_queries.deployment(act.tx, slot.pending) if slot.pending else None
        if pending and pending.adapter == digest:
            placing.stop_pending(act, slot, reason)
        if slot.adapter == digest:
            row = slot_queries.slot(act.tx, slot.slot)
            placing.stop_pending(act, row, reason)
            placing.start(act, slot_queries.slot(act.tx, slot.slot), "kill", None, reason=reason)
    act.append("adapter:retired", {"reason": reason}, subject=references.adapter(digest))


def _said_by(act: Act, digest: str) -> list[str]:
    """Names of texts that an adapter's evaluations left under other contexts as well: they hold words of this one."""
    history = queries.history(act.tx, references.adapter(digest))
    evaluations = [entry.data["evaluation"] for entry in history if entry.event == "adapter:evaluated"]
    return [name(one) for one in evaluations for name in (vault.evaluation_text, vault.control_text)]
