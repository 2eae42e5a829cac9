"""Take a context, or single chunks, out of an adapter: the result is a new adapter that never saw them, exactly."""

from collections.abc import Sequence

from adapters_core.canonical import digest_of
from adapters_core.errors import InputError
from adapters_core.ledger import jobs
from adapters_core.ledger.job_queries import Job
from governance.actors import snapshot
from governance.policy.actions import Action
from governance.policy.actors import Actor
from governance.services import facts, references
from governance.services.acting import Act, perform
from governance.services.recordable import check_text


def erase(actor: Actor, *, adapter: str, context: str = "", chunks: Sequence[str] = (), name: str = "") -> Job:
    """Queue the erasure; the new adapter names this one as its parent.

    Args:
        actor: who asks for it.
        adapter: from which; it stays as it is.
        context: one of several that it is made of; empty where chunks are named.
        chunks: commitments of some of its chunks; empty where a context is named.
        name: of the new adapter; the old one's unless given.

    Raises:
        PersonalDataError: the name holds personal data.
        DeniedError: the rules refuse.
        InputError: the adapter was not made from what is named, or from nothing else.
        UnknownSubjectError: there is no such adapter.
    """
    chosen = tuple(sorted(set(chunks)))

    check_text(name)

    def work(act: Act) -> Job:
        act.ask(facts.adapter_facts(act.tx, adapter))
        known = facts.dossier(act.tx, adapter)
        what = _chunks(known, chosen) if chosen and not context else _context(known, context, chosen)
        return jobs.submit_job(
            act.tx,
            kind="erase",
            job_key=digest_of({"kind": "erase", "parent": adapter, **what, **facts.maker(act.tx)}),
            payload={"adapter": adapter, **what, "name": name.strip() or known.row.name},
            actor=snapshot(act.actor),
        )

    return perform(actor, Action.ERASE, references.adapter(adapter), work)


def _context(known: facts.Dossier, context: str, chunks: Sequence[str]) -> dict[str, object]:
    contexts = [one.context for one in known.contexts]
    if chunks:
        raise InputError("name a context or chunks of the adapter, not both")
    if context not in contexts or len(contexts) < 2:  # noqa: PLR2004  this one and another
        raise InputError(
            f"what is erased must be one of several contexts of the adapter, got {context[:60]!r} of {len(contexts)}: "
            "retire an adapter that is made from one context only"
        )
    return {"context": context}


def _chunks(known: facts.Dossier, chunks: Sequence[str]) -> dict[str, object]:
    whole = {chunk for part in known.generated.data["contexts"] for chunk in part["chunk_commitments"]}
    if unknown := set(chunks) - whole:
        raise InputError(f"chunks must be of the adapter: {len(unknown)} of the {len(chunks)} named are not")
    if set(chunks) == whole:
        raise InputError("erasing every chunk leaves no adapter: retire it instead")
    return {"chunks": list(chunks)}
