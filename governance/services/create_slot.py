"""Create a slot: a place that serves one adapter at a time."""

import re

from adapters_core.errors import InputError
from adapters_core.ledger import people_queries
from adapters_core.ledger.records import Entry
from governance.policy.actions import Action
from governance.policy.actors import Actor
from governance.policy.subjects import Anything
from governance.services import references
from governance.services.acting import Act, perform

NAME = re.compile(r"[a-z][a-z0-9-]{1,38}[a-z0-9]")


def create_slot(actor: Actor, *, name: str, title: str, base: str, engine: str, policy: str) -> Entry:
    """Create a slot.

    Args:
        actor: who creates it.
        name: 3 to 40 small letters, digits and dashes; part of addresses and of loaded names.
        title: what people call it.
        base: digest of the base model that it serves.
        engine: name of the serving engine.
        policy: under which adapters are approved for it, in its version of that day. It cannot be changed later: who
            asks for an approval may not choose a weaker one.

    Raises:
        DeniedError: the rules refuse.
        InputError: name or title cannot be used.
        IllegalTransitionError: there is a slot of this name.
        UnknownSubjectError: there is no such policy.
    """
    if not NAME.fullmatch(name):
        raise InputError(f"a slot's name must have 3 to 40 small letters, digits and dashes, got {name[:60]!r}")
    if not title.strip():
        raise InputError("a slot must have a title, got none")

    def work(act: Act) -> Entry:
        act.ask(Anything())
        people_queries.policy(act.tx, policy)
        return act.append("slot:created", {"title": title.strip(), "base": base, "engine": engine, "policy": policy})

    return perform(actor, Action.CREATE_SLOT, references.slot(name), work)
