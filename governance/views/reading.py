"""What every page that reads the ledger begins with: one snapshot, who looks, and whether they may."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from django.http import Http404, HttpRequest

from adapters_core.errors import DeniedError, UnknownSubjectError
from adapters_core.ledger.transactions import Reader
from governance.actors import actor_of, with_roles
from governance.installation import installation
from governance.policy.actions import Action
from governance.policy.actors import Actor
from governance.policy.rules import can
from governance.policy.subjects import Anything


@dataclass(frozen=True, kw_only=True)
class Sight:
    """The ledger as one person sees it at one moment."""

    reader: Reader
    actor: Actor
    """With the roles of this moment."""
    at: datetime


@contextmanager
def reading(request: HttpRequest) -> Iterator[Sight]:
    """One snapshot of the ledger.

    Raises:
        DeniedError: this person has no role that may read.
        Http404: the page asks for what the ledger does not know.
    """
    ledger = installation().ledger
    try:
        with ledger.read() as reader:
            actor, at = with_roles(reader, actor_of(request)), ledger.clock()
            decision = can(actor, Action.READ, Anything(), at=at)
            if not decision:
                raise DeniedError(decision.text, reason_code=decision.reason_code)
            yield Sight(reader=reader, actor=actor, at=at)
    except UnknownSubjectError as error:
        raise Http404(str(error)) from error
