"""What every operation that reads begins with: who asks, whether they may, one snapshot."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from django.http import HttpRequest

from adapters_core.ledger.transactions import Reader
from governance.api.callers import may_read
from governance.installation import installation
from governance.policy.actors import Actor

T = TypeVar("T")


def actor_of(request: HttpRequest) -> Actor:
    """The service behind the token, or the person who calls."""
    actor: Actor = request.auth  # type: ignore[attr-defined]  # django-ninja puts it there
    return actor


def read(request: HttpRequest, look: Callable[[Reader], T]) -> T:
    """What a caller who may read finds in one snapshot.

    Raises:
        DeniedError: the token has not the scope ``read``, or the person no role.
    """
    may_read(actor_of(request))
    return look_up(look)


def look_up(look: Callable[[Reader], T]) -> T:
    """What one snapshot holds, for whoever has just made it."""
    with installation().ledger.read() as reader:
        return look(reader)


def page(rows: Sequence[T], limit: int, place: Callable[[T], object]) -> dict[str, object]:
    """A page of a list of which one row more was asked for than is shown.

    Args:
        rows: at most limit + 1 of them.
        limit: how many are shown.
        place: of a row, from where the next page goes on.
    """
    shown = rows[:limit]
    return {"rows": shown, "next": place(shown[-1]) if len(rows) > limit else None}
