"""Whether a difference is repaired by the system, or by a person: the policies in force of the slots say so."""

from dataclasses import dataclass

from adapters_core.ledger import people_queries, slot_queries
from adapters_core.ledger.transactions import Reader
from governance.engines.engine import loaded_name
from governance.policy.repairs import KINDS, repairs


@dataclass(frozen=True, kw_only=True)
class Difference:
    """What differs, as far as it matters to who repairs it."""

    kind: str
    """One of ``repairs.KINDS``; anything else is repaired by nobody."""
    slot: str
    """Empty where it is about an engine as a whole."""
    engine: str
    """Empty where it is about no engine."""
    name: str
    """Under which the engine has, or should have, an adapter."""


def left_by(reader: Reader, difference: Difference) -> tuple[str, ...]:
    """Names of the policies that leave a repair to a person; without any, the system repairs.

    A slot's policy decides on what is about that slot; on what an engine has and nobody knows, the policies of all its
    slots. Another adapter under the name of one that is served is always unloaded: nobody approved what it answers.
    """
    if difference.kind not in KINDS:
        return ()
    rows = slot_queries.slots(reader)
    served = {loaded_name(row.slot, row.adapter) for row in rows if row.adapter and row.engine == difference.engine}
    if difference.kind == "unknown" and difference.name in served:
        return ()
    concerned = [
        row for row in rows if (row.slot == difference.slot if difference.slot else row.engine == difference.engine)
    ]
    names = sorted({row.policy for row in concerned})
    return tuple(name for name in names if difference.kind not in repairs(people_queries.policy(reader, name).data))
