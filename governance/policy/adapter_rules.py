"""Rules on contexts and adapters."""

from collections.abc import Mapping
from datetime import datetime

from governance.policy.actions import Action
from governance.policy.actors import Actor
from governance.policy.subjects import AdapterFacts, ContextFacts, Rule

ENDED = frozenset({"retired"})


def context(actor: Actor, action: Action, facts: ContextFacts, at: datetime) -> str | None:
    """Whether a context is there to be worked with."""
    if facts.erased:
        return "context_erased"
    if action is Action.HOLD_CONTEXT:
        return "already_held" if facts.held else None
    if action is Action.RELEASE_CONTEXT:
        return None if facts.held else "not_held"
    if action is Action.ERASE_CONTEXT:
        if facts.held:
            return "context_held"
        return None if actor.holds("admin") or facts.owner == actor.id else "not_owner"
    return None


def adapter(actor: Actor, action: Action, facts: AdapterFacts, at: datetime) -> str | None:
    """Whether an adapter is in a state to be worked with."""
    if facts.state in ENDED:
        return "adapter_state"
    if action is Action.RETIRE:
        return _retire(actor, facts)
    # An adapter is freed of what was erased by erasing it there too.
    if facts.context_erased and action is not Action.ERASE:
        return "context_erased"
    return _request(facts) if action is Action.REQUEST else None


def _retire(actor: Actor, facts: AdapterFacts) -> str | None:
    if facts.serving_in:
        return "still_serving"
    return None if actor.holds("admin") or facts.generated_by == actor.id else "not_owner"


def _request(facts: AdapterFacts) -> str | None:
    if facts.open_request:
        return "request_open"
    if facts.missing_suites or facts.state == "generated":
        return "evaluation_missing"
    return None


RULES: Mapping[Action, tuple[type, Rule]] = {
    Action.GENERATE: (ContextFacts, context),
    Action.HOLD_CONTEXT: (ContextFacts, context),
    Action.RELEASE_CONTEXT: (ContextFacts, context),
    Action.ERASE_CONTEXT: (ContextFacts, context),
    Action.EXTEND: (AdapterFacts, adapter),
    Action.ERASE: (AdapterFacts, adapter),
    Action.EVALUATE: (AdapterFacts, adapter),
    Action.REQUEST: (AdapterFacts, adapter),
    Action.RETIRE: (AdapterFacts, adapter),
    Action.TRY_OUT: (AdapterFacts, adapter),
}
