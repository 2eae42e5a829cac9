"""What the core has loaded, noted where the web half finds it: jobs are named by the generator that will do them."""

from adapters_core.ledger import marks
from adapters_core.ledger.transactions import Writer
from governance.worker.workplace import Workplace


def note_generator(at: Workplace) -> str | None:
    """Ask the core for its generator, and note it where it is another one; answers its digest.

    Raises:
        EngineError: the core gives no answer.
    """
    found = next((one.generator for one in at.core.models() if one.parent is None), None)
    if found is None:
        return None
    with at.ledger.read() as db:
        if marks.noted(db, marks.CORE_GENERATOR) == found:
            return found
    with at.ledger.write() as tx:
        note(tx, found)
    return found


def note(writer: Writer, generator: str) -> None:
    """Note a generator's digest."""
    if marks.noted(writer, marks.CORE_GENERATOR) != generator:
        marks.note(writer, marks.CORE_GENERATOR, generator)
