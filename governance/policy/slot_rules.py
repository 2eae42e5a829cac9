"""Rules on what a slot serves."""

from collections.abc import Mapping
from datetime import datetime

from governance.policy.actions import Action
from governance.policy.actors import Actor
from governance.policy.subjects import Rule, SlotFacts, TargetFacts

REFUSED = frozenset({"rejected", "voided"})


def slot(actor: Actor, action: Action, facts: SlotFacts, at: datetime) -> str | None:
    """Whether the slot may be changed to serve the target."""
    if facts.seen != facts.current:
        return "stale_page"
    # In an emergency nobody waits for a deployment that hangs.
    if facts.pending and action is not Action.KILL_SWITCH:
        return "in_progress"
    if facts.target_id == facts.current and not (facts.pending and action is Action.KILL_SWITCH):
        return "already_serving"
    if facts.target is None:
        return None if action in {Action.KILL_SWITCH, Action.ROLL_BACK} else "adapter_state"
    return _usable(facts.target) or _TARGET_RULES[action](actor, facts.target, at)


def _usable(target: TargetFacts) -> str | None:
    """What holds for every adapter that is loaded, in an emergency too."""
    if target.context_erased:
        return "context_erased"
    if not target.same_base:
        return "wrong_base"
    if not target.artifact_present:
        return "artifact_missing"
    return "adapter_state" if target.state == "retired" or target.refused_for_slot else None


def _deploy(actor: Actor, target: TargetFacts, at: datetime) -> str | None:
    if not target.approved_for_slot:
        return "not_approved"
    if not target.unchanged:
        return "changed_since"
    return _out_of_time(target, at)


def _roll_back(actor: Actor, target: TargetFacts, at: datetime) -> str | None:
    """To what served before and whose approval holds still; the bare base needs none."""
    if not target.approved_for_slot:
        return "not_approved"
    if not target.served_before:
        return "never_served"
    return _out_of_time(target, at) if target.unchanged else "changed_since"


def _out_of_time(target: TargetFacts, at: datetime) -> str | None:
    expired = target.approval_expires is not None and at >= target.approval_expires
    return "approval_expired" if expired else None


def _break_glass(actor: Actor, target: TargetFacts, at: datetime) -> str | None:
    """In an emergency without an approval, but not alone: never one's own, one that stands out, or was refused.

    What was refused last for another slot is not loaded here without an approval either.
    """
    if target.state in REFUSED:
        return "adapter_state"
    if target.state == "generated":
        return "evaluation_missing"
    if actor.id in target.involved:
        return "own_emergency"
    return "norm_outlier" if target.norm_outlier else None


def _never(actor: Actor, target: TargetFacts, at: datetime) -> str | None:
    """The kill switch loads no adapter."""
    return "adapter_state"


_TARGET_RULES: Mapping[Action, Rule] = {
    Action.DEPLOY: _deploy,
    Action.ROLL_BACK: _roll_back,
    Action.BREAK_GLASS: _break_glass,
    Action.KILL_SWITCH: _never,
}
RULES: Mapping[Action, tuple[type, Rule]] = dict.fromkeys(_TARGET_RULES, (SlotFacts, slot))
