"""The newest checkpoint that left this machine: whoever keeps it elsewhere can show later what was changed here."""

import json
from dataclasses import dataclass
from datetime import datetime

from adapters_core.errors import BusyError
from adapters_core.ledger import marks
from adapters_core.ledger.checkpoints import Checkpoint
from adapters_core.ledger.records import parse_time, time_text
from adapters_core.ledger.transactions import Reader
from governance.installation import installation

LEFT = "checkpoint.left"


@dataclass(frozen=True, kw_only=True)
class Left:
    """A checkpoint that left."""

    size: int
    time: datetime
    """When it was signed."""
    when: datetime
    """When it left."""


def note_left(checkpoint: Checkpoint | None) -> None:
    """Note that a checkpoint was handed out, where none as new was before.

    It is evidence of nothing, so it asks for no more than reading. A ledger that is busy is not waited for: the next
    one that leaves is noted.
    """
    ledger = installation().ledger
    if checkpoint is None:
        return
    with ledger.read() as reader:
        before = last_left(reader)
    if before is not None and before.size >= checkpoint.size:
        return
    try:
        with ledger.write() as tx:
            stated = {"size": checkpoint.size, "time": time_text(checkpoint.time), "when": time_text(tx.now)}
            marks.note(tx, LEFT, json.dumps(stated))
    except BusyError:
        return


def last_left(reader: Reader) -> Left | None:
    """The newest one that left; None where none has."""
    noted = marks.noted(reader, LEFT)
    if noted is None:
        return None
    stated = json.loads(noted)
    return Left(size=stated["size"], time=parse_time(stated["time"]), when=parse_time(stated["when"]))
