"""Choices of a policy: some of what there is, in a fixed order whatever the order in which they were stated."""

from collections.abc import Iterable, Sequence
from typing import TypeVar

from adapters_core.errors import InputError

T = TypeVar("T", bound=str)


def checked_choices(stated: Iterable[str], known: Sequence[T], *, must: str) -> list[T]:
    """Those that were stated, each once.

    Args:
        stated: what somebody chose.
        known: all that may be chosen.
        must: what must hold, before the list of what is known.

    Raises:
        InputError: one of them is not known.
    """
    wanted = set(stated)
    if unknown := wanted - set(known):
        raise InputError(f"{must} {', '.join(known)}, got {', '.join(sorted(unknown))}")
    return [one for one in known if one in wanted]
