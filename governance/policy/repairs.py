"""Which differences between ledger, engines and MLflow the system repairs by itself under an approval policy."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal, get_args

from governance.policy.choices import checked_choices

Repair = Literal["lost", "unknown", "aliases"]
KINDS: tuple[Repair, ...] = get_args(Repair)
"""``lost``: load again what an engine has not and a slot serves. ``unknown``: unload what an engine has and the ledger
does not know. ``aliases``: set the aliases of a slot in MLflow again."""


def repairs(policy: Mapping[str, Any]) -> tuple[Repair, ...]:
    """Those that a policy lets the system do; all of them under a policy that was set before policies said so."""
    return tuple(kind for kind in KINDS if kind in policy.get("repairs", KINDS))


def checked_repairs(stated: Iterable[str]) -> list[str]:
    """Repairs as the ledger holds them.

    Raises:
        InputError: there is no such repair.
    """
    return [*checked_choices(stated, KINDS, must="repairs must be of")]
