"""A request: stages, joint approval, and what ends it. Pure.

    requested -> in_review -> approved | conditionally_approved | sent_back | rejected | withdrawn | expired | voided

A stage asks for N approvals by N different people (of each that stands for another, the other counts). The last stage's
last approval decides; it is conditional when any approval was. What was approved may still be voided or expire.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from adapters_core.errors import EntryError, IllegalTransitionError, StaleError
from adapters_core.ledger.events import MEANINGS
from adapters_core.ledger.flow.lifecycles import illegal

OPEN = frozenset({"requested", "in_review"})
APPROVED = frozenset({"approved", "conditionally_approved"})
ENDED = frozenset({"sent_back", "rejected", "withdrawn", "expired", "voided"})
STATES = OPEN | APPROVED | ENDED
DECISIONS = frozenset({"request:approved", "request:conditionally_approved", "request:sent_back", "request:rejected"})
"""What a person signs."""
_ENDS = {
    "request:sent_back": "sent_back",
    "request:rejected": "rejected",
    "request:withdrawn": "withdrawn",
    "request:expired": "expired",
    "request:voided": "voided",
}
_FROM_APPROVED = frozenset({"request:expired", "request:voided"})


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One stage of the policy under which the request was opened."""

    name: str
    role: str | None
    needed: int
    """Approvals by different people that complete it."""


@dataclass(frozen=True, kw_only=True)
class RequestState:
    """What follows from a request's entries."""

    state: str
    stages: tuple[Stage, ...]
    bound_digest: str
    stage: int = 0
    """The stage that waits for a decision, from 0; the number of stages once all are complete."""
    approvers: tuple[str, ...] = ()
    """In whose name this stage was approved so far."""
    conditional: bool = False

    @property
    def waiting_for(self) -> Stage | None:
        """The stage that waits for a decision, None when none does."""
        return self.stages[self.stage] if self.state in OPEN else None


def opened(data: Mapping[str, Any]) -> RequestState:
    """The state after ``request:opened``.

    Raises:
        EntryError: the policy's stages are not a list of {name, role, needed}.
    """
    policy = data["policy"]
    if not isinstance(policy, Mapping) or "name" not in policy or type(policy.get("version")) is not int:
        raise EntryError(f"a request's policy must be {{name, version, stages}}, got {policy!r:.120}")
    stages = stages_from(policy.get("stages", [{"name": "approval", "role": None, "needed": 1}]))
    return RequestState(state="requested", stages=stages, bound_digest=str(data["bound_digest"]))


def stages_from(stated: object) -> tuple[Stage, ...]:
    """The stages that a policy states.

    Raises:
        EntryError: they are not a list of {name, role, needed}, or there is none.
    """
    if not isinstance(stated, Sequence) or isinstance(stated, str) or not stated:
        raise EntryError(f"a policy must have a list of stages, got {stated!r:.120}")
    stages = []
    for item in stated:
        needed = item.get("needed", 1) if isinstance(item, Mapping) else None
        if not isinstance(item, Mapping) or type(needed) is not int or needed < 1:
            raise EntryError(f"a stage must be {{name, role, needed: 1 or more}}, got {item!r:.120}")
        stages.append(Stage(name=str(item.get("name")), role=item.get("role"), needed=needed))
    return tuple(stages)


def moved(before: RequestState | None, event: str, data: Mapping[str, Any], actor: str) -> RequestState:
    """The state of a request after an event.

    Args:
        before: the state until now, None before ``request:opened``.
        event: what happened.
        data: the entry's data.
        actor: the id of who did it.

    Raises:
        IllegalTransitionError: it cannot happen in this state.
        StaleError: the decision names another stage, or another digest than the one that was asked about.
        EntryError: the data are not a decision's.
    """
    if event == "request:opened":
        if before:
            raise illegal(event, "request that is new", before.state)
        return opened(data)
    if before is None:
        raise illegal(event, "request that is open", None)
    if before.state not in OPEN and not (before.state in APPROVED and event in _FROM_APPROVED):
        raise illegal(event, "request that is open", before.state)
    if event == "request:commented":
        return before
    if event in DECISIONS:
        _check_decision(before, event, data)
    if end := _ENDS.get(event):
        return replace(before, state=end)
    return _approved(before, event, data.get("on_behalf_of") or actor)


def _check_decision(before: RequestState, event: str, data: Mapping[str, Any]) -> None:
    if data["stage"] != before.stage:
        raise StaleError(f"{event} must be for stage {before.stage}, got {data['stage']!r}: look at the request again")
    if data["bound_digest"] != before.bound_digest:
        raise StaleError(f"{event} must bind to {before.bound_digest}, got {data['bound_digest']!r}: look at it again")
    if data["meaning"] not in MEANINGS:
        raise EntryError(f"the meaning of a signature must be one of {MEANINGS}, got {data['meaning']!r}")


def _approved(before: RequestState, event: str, principal: str) -> RequestState:
    if principal in before.approvers:
        raise IllegalTransitionError(f"{event} needs another person: {principal} has approved this stage already")
    approvers = (*before.approvers, principal)
    conditional = before.conditional or event == "request:conditionally_approved"
    if len(approvers) < before.stages[before.stage].needed:
        return replace(before, state="in_review", approvers=approvers, conditional=conditional)
    stage, state = before.stage + 1, "in_review"
    if stage == len(before.stages):
        state = "conditionally_approved" if conditional else "approved"
    return replace(before, state=state, stage=stage, approvers=(), conditional=conditional)
