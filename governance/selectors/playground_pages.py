"""Who can be asked on the playground, and questions that suit them: from slots, adapters and their evaluations."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from adapters_core.errors import ErasedError
from adapters_core.ledger import adapter_queries, context_queries, slot_queries, vault
from adapters_core.ledger.adapter_queries import AdapterFilter, AdapterRow
from adapters_core.ledger.transactions import Reader
from adapters_core.ledger.vault import MasterKey
from governance.engines.registry import CORE
from governance.policy.actions import Action
from governance.policy.actors import Actor
from governance.selectors.offers import offer
from governance.services import facts

MOST = 3
"""Adapters that are asked at once, besides the base."""
SLOT = "slot:"
_OFFERED = 8
_LOOKED_AT = 40
_EXAMPLES = 4
"""Questions that are offered of each adapter."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """An adapter that can be asked."""

    key: str
    """``slot:<name>`` for what a slot serves, else the adapter's digest."""
    row: AdapterRow
    slot: str | None
    slot_title: str
    engine: str
    loaded_name: str
    """As the engine knows it: under its digest where no slot serves it."""
    contexts: tuple[str, ...]
    """Titles of what it was made from."""


@dataclass(frozen=True, kw_only=True)
class Example:
    """A question of an evaluation."""

    question: str
    right: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Playground:
    """What the page offers."""

    serving: tuple[Target, ...]
    others: tuple[Target, ...]
    chosen: tuple[Target, ...]
    examples: tuple[Example, ...]
    text: str
    """What the others were searched for."""


def playground(
    reader: Reader, master: MasterKey, actor: Actor, *, chosen: Sequence[str] | None, text: str, at: datetime
) -> Playground:
    """What somebody can ask.

    Args:
        reader: the ledger.
        master: opens the vault.
        actor: who, with their roles.
        chosen: keys of what they chose; None: what serves is proposed.
        text: part of a name or digest; which adapters besides those that serve are offered.
        at: the time.

    Raises:
        UnknownSubjectError: a key names nothing.
    """
    serving = tuple(_of_slot(reader, row) for row in slot_queries.slots(reader) if row.adapter)
    served = {target.row.digest for target in serving}
    known = {key: target for target in serving for key in (target.row.digest, target.key)}
    keys = [target.key for target in serving[:MOST]] if chosen is None else chosen
    picked = {target.key: target for target in (known.get(key) or target_of(reader, key) for key in keys)}
    found = adapter_queries.find_adapters(reader, AdapterFilter(text=text or None), limit=_LOOKED_AT).rows
    free = [row for row in found if row.digest not in served and _may(reader, actor, row, at)][:_OFFERED]
    others = {target.key: target for target in (*picked.values(), *(_of_store(reader, row) for row in free))}
    return Playground(
        serving=serving,
        others=tuple(target for target in others.values() if target.slot is None),
        chosen=tuple(picked.values()),
        examples=_examples(reader, master, tuple(picked.values()) or serving[:1] or tuple(others.values())[:1]),
        text=text,
    )


def target_of(reader: Reader, key: str) -> Target:
    """What a key names.

    Raises:
        UnknownSubjectError: nothing.
    """
    name = key.removeprefix(SLOT)
    if name != key:
        row = slot_queries.slot(reader, name)
        return _of_slot(reader, row)
    return _of_store(reader, adapter_queries.adapter(reader, key))


def _of_slot(reader: Reader, row: slot_queries.SlotRow) -> Target:
    current = slot_queries.deployment(reader, row.current) if row.current else None
    adapter = adapter_queries.adapter(reader, row.adapter or "")
    return Target(
        key=f"{SLOT}{row.slot}",
        row=adapter,
        slot=row.slot,
        slot_title=row.title,
        engine=row.engine,
        loaded_name=(current.loaded_name if current else None) or adapter.digest,
        contexts=_titles(reader, adapter.digest),
    )


def _of_store(reader: Reader, row: AdapterRow) -> Target:
    return Target(
        key=row.digest,
        row=row,
        slot=None,
        slot_title="",
        engine=CORE,
        loaded_name=row.digest,
        contexts=_titles(reader, row.digest),
    )


def _titles(reader: Reader, digest: str) -> tuple[str, ...]:
    contexts = adapter_queries.contexts_of_adapter(reader, digest)
    return tuple(context_queries.context(reader, one).title for one in contexts)


def _may(reader: Reader, actor: Actor, row: AdapterRow, at: datetime) -> bool:
    found = offer(actor, Action.TRY_OUT, facts.adapter_facts(reader, row.digest), at=at)
    return found.allowed or not found.suits  # whoever only reads sees what others can ask


def _examples(reader: Reader, master: MasterKey, targets: Sequence[Target]) -> tuple[Example, ...]:
    found: dict[str, Example] = {}
    for target in targets:
        for example in _asked(reader, master, target.row.digest)[:_EXAMPLES]:
            found.setdefault(example.question, example)
    return tuple(found.values())


def _asked(reader: Reader, master: MasterKey, digest: str) -> list[Example]:
    """Questions of the latest evaluation whose texts can still be read."""
    known = facts.dossier(reader, digest)
    for evaluation in reversed(known.evaluations):
        rows = [
            row
            for context in known.contexts
            for row in _texts(reader, master, context.context, vault.evaluation_text(evaluation.data["evaluation"]))
        ]
        if rows:
            return rows
    return []


def _texts(reader: Reader, master: MasterKey, context: str, name: str) -> list[Example]:
    if not vault.has_text(reader, context, name):
        return []
    try:
        rows = json.loads(vault.open_text(reader, master, context, name))
    except ErasedError:
        return []
    return [Example(question=row["question"], right=tuple(map(str, row["answers"]))) for row in rows]
