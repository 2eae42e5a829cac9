"""What a signature can mean under which decision (21 CFR 11.50): it never says the opposite of what is decided."""

from governance.policy.actions import Action

APPROVALS = frozenset({Action.APPROVE, Action.APPROVE_WITH_CONDITIONS})


def meanings(decision: Action, *, last_stage: bool) -> tuple[str, ...]:
    """The meanings that fit a decision, the usual one first.

    An approval before the last stage checks or approves; that of the last stage approves or decides. Sending back and
    rejecting decide, or say what was found on checking. ``prepared`` is what whoever asks does.
    """
    if decision not in APPROVALS:
        return ("decided", "checked")
    return ("approved", "decided") if last_stage else ("approved", "checked")
