"""The chunks that an adapter is made of, as its page shows them: where each begins, what it weighs, its commitment."""

from collections.abc import Mapping
from dataclasses import dataclass

from adapters_core.errors import ErasedError
from adapters_core.ledger import vault
from adapters_core.ledger.transactions import Reader
from governance.installation import installation
from governance.selectors.evaluation_texts import Told, excerpt
from governance.services.facts import Dossier


@dataclass(frozen=True, kw_only=True)
class ChunkView:
    """One chunk."""

    number: int
    commitment: str
    title: str
    """Of its context."""
    start: str
    """Its first characters; empty where the text was erased, or the record does not say where it lies."""
    share: float | None
    """Its part of the adapter; None where no evaluation has attributed it."""


def chunk_views(reader: Reader, known: Dossier, told: Told | None) -> tuple[ChunkView, ...]:
    """All chunks, in the order of the contexts."""
    titles = {context.context: context.title for context in known.contexts}
    shares: Mapping[str | None, float] = (
        {one.commitment: one.share for one in told.origin.chunks} if told and told.origin else {}
    )
    found: list[ChunkView] = []
    for part in known.generated.data["contexts"]:
        text = _text(reader, part["id"])
        places = part.get("chunk_places") or [None] * len(part["chunk_commitments"])
        for commitment, place in zip(part["chunk_commitments"], places, strict=True):
            view = ChunkView(
                number=len(found) + 1,
                commitment=commitment,
                title=titles.get(part["id"], part["id"]),
                start=excerpt(text, place["start"], place["end"]) if place else "",
                share=shares.get(commitment),
            )
            found.append(view)
    return tuple(found)


def _text(reader: Reader, context: str) -> str:
    try:
        return vault.open_text(reader, installation().master_key, context).decode()
    except ErasedError:
        return ""
