"""What one person may decide on a request, in whose name, what blocks the rest, and what would follow."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from adapters_core.ledger import people_queries
from adapters_core.ledger.records import parse_time
from adapters_core.ledger.request_queries import RequestRow
from adapters_core.ledger.transactions import Reader
from governance.policy.actions import Action
from governance.policy.actors import Actor
from governance.policy.rules import Decision, can
from governance.selectors.person_names import name_of
from governance.services.deciding import read_case

ORDER = (Action.APPROVE, Action.APPROVE_WITH_CONDITIONS, Action.SEND_BACK, Action.REJECT)


@dataclass(frozen=True, kw_only=True)
class Standpoint:
    """Deciding in one's own name, or as somebody's delegate."""

    principal: str
    """Empty for one's own name."""
    name: str
    answers: Mapping[Action, Decision]

    @property
    def any(self) -> bool:
        """Whether anything may be decided from here."""
        return any(self.answers.values())


def standpoints(reader: Reader, actor: Actor, request: str, at: datetime) -> tuple[Standpoint, ...]:
    """One's own first; a fresh proof of who one is is taken for granted, since it is asked for last.

    Raises:
        UnknownSubjectError: there is no such request.
    """
    sure = replace(actor, confirmed=at)
    lent = {
        entry.actor.id: name_of(reader, entry.actor.id)
        for entry in people_queries.delegations_to(reader, actor.id)
        if at < parse_time(entry.data["until"])
    }
    found = []
    for principal, name in {"": actor.name, **lent}.items():
        case = read_case(reader, request, at, (actor.id, principal) if principal else None)
        answers = {action: can(sure, action, case.facts, at=at) for action in ORDER}
        found.append(Standpoint(principal=principal, name=name, answers=answers))
    return tuple(found)


def consequence(action: Action, row: RequestRow) -> str:
    """What follows when this is signed now."""
    if action is Action.SEND_BACK:
        return _("The request ends. The requester is asked to rework it and may request again.")
    if action is Action.REJECT:
        return _("The request ends and the adapter cannot be deployed on it.")
    missing = row.stages[row.stage].needed - len(row.approvers) - 1 if row.stage < len(row.stages) else 0
    if missing > 0:
        return ngettext(
            "This is one approval of a joint decision: %(count)d more by another person is needed at this stage.",
            "This is one approval of a joint decision: %(count)d more by other people are needed at this stage.",
            missing,
        ) % {"count": missing}
    if row.stage + 1 < len(row.stages):
        return _("The stage is complete; the request moves on to “%(stage)s”.") % {
            "stage": row.stages[row.stage + 1].name
        }
    return _("The request is approved: an administrator may deploy the adapter to the slot “%(slot)s”.") % {
        "slot": row.slot
    }
