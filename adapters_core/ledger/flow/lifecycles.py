"""Subjects with a plain life: from one state to the next, by event. Pure."""

from collections.abc import Mapping

from adapters_core.errors import IllegalTransitionError
from adapters_core.ledger.events import DENIED

Moves = Mapping[str, tuple[frozenset[str | None], str]]
"""event -> (states in which it can happen, None for a subject that does not exist yet; state after it)."""


def _from(*states: str | None) -> frozenset[str | None]:
    return frozenset(states)


NEW = _from(None)
LIFECYCLES: Mapping[str, Moves] = {
    "context": {
        "context:submitted": (NEW, "active"),
        "context:held": (_from("active"), "held"),
        "context:released": (_from("held"), "active"),
        "context:erased": (_from("active"), "erased"),
    },
    "delegation": {"delegation:granted": (NEW, "active"), "delegation:ended": (_from("active"), "ended")},
    "deployment": {
        "deployment:requested": (NEW, "requested"),
        "deployment:succeeded": (_from("requested"), "succeeded"),
        "deployment:failed": (_from("requested"), "failed"),
    },
    "drift": {"drift:found": (_from(None, "repaired"), "open"), "drift:repaired": (_from("open"), "repaired")},
    "incident": {"incident:raised": (NEW, "open"), "incident:closed": (_from("open"), "closed")},
    "person": {
        "person:created": (NEW, "active"),
        "person:password_issued": (_from("active"), "active"),
        "person:activated": (_from("active"), "active"),
        "role:granted": (_from("active"), "active"),
        "role:revoked": (_from("active"), "active"),
    },
    "pilot": {
        "pilot:defined": (NEW, "running"),
        "pilot:result_recorded": (_from("running"), "running"),
        "pilot:decided": (_from("running"), "decided"),
    },
    "policy": {"policy:set": (_from(None, "active"), "active")},
    "slot": {"slot:created": (NEW, "active")},
    "token": {"token:issued": (NEW, "active"), "token:revoked": (_from("active"), "revoked")},
}
"""A context under legal hold cannot be erased. Adapters and requests have modules of their own."""


def moved(kind: str, state: str | None, event: str) -> str:
    """The state of a subject after an event.

    Raises:
        IllegalTransitionError: the event cannot happen in this state.
    """
    before, after = LIFECYCLES[kind][event]
    if state not in before:
        raise illegal(event, f"{kind} that is {_listed(before)}", state)
    return after


def illegal(event: str, needed: str, state: str | None) -> IllegalTransitionError:
    """The error for an event in the wrong state."""
    return IllegalTransitionError(f"{event} needs a {needed}, this one is {state or 'not known'}")


def is_transition(event: str) -> bool:
    """Whether an event can change a state: an attempt that was denied changes nothing."""
    return event != DENIED


def _listed(states: frozenset[str | None]) -> str:
    return " or ".join(sorted(state or "new" for state in states))
