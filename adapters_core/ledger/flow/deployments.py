"""What may be deployed where. Pure: the slot, the adapter and the request are handed in.

An approval holds for the slot that it was requested for, until it is voided or expires, or the adapter is retired. What
becomes of other requests for the same adapter changes nothing of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from adapters_core.errors import EntryError, IllegalTransitionError, StaleError
from adapters_core.ledger.events import DEPLOYMENT_KINDS
from adapters_core.ledger.flow.adapters import AdapterState
from adapters_core.ledger.flow.requests import APPROVED


@dataclass(frozen=True, kw_only=True)
class SlotState:
    """What a slot serves, and what is on its way."""

    adapter: str | None = None
    """The adapter that it serves; None for the bare base."""
    current: str | None = None
    """The deployment that put it there; None before the first."""
    pending: str | None = None
    """The deployment that was requested and has not ended."""


@dataclass(frozen=True, kw_only=True)
class Approval:
    """The request on which a deployment is to rest."""

    adapter: str
    slot: str
    state: str


def requested(
    slot: SlotState | None,
    adapter: AdapterState | None,
    approval: Approval | None,
    deployment: str,
    data: Mapping[str, Any],
) -> SlotState:
    """The slot after ``deployment:requested``.

    Args:
        slot: the slot's state, None if there is no such slot.
        adapter: the state of the adapter that shall serve; None if the ledger knows none of this digest.
        approval: the request that the entry names; None if it names none, or the ledger knows none of this id.
        deployment: the id of the new deployment.
        data: the entry's data.

    Raises:
        IllegalTransitionError: there is no such slot, another deployment is on its way, or the adapter may not serve.
        StaleError: the slot serves something else than the caller believes, or this already.
        EntryError: the kind is unknown, or a kill switch names an adapter.
    """
    kind, wanted = data["kind"], data["adapter"]
    if kind not in DEPLOYMENT_KINDS:
        raise EntryError(f"a deployment's kind must be one of {DEPLOYMENT_KINDS}, got {kind!r}")
    if slot is None:
        raise IllegalTransitionError(f"a deployment needs a slot that exists, {data['slot']!r} is not known")
    if slot.pending:
        raise StaleError(f"slot {data['slot']} has a deployment on its way ({slot.pending}): wait for its end")
    if data["previous"] != slot.adapter:
        raise StaleError(
            f"slot {data['slot']} serves {_named(slot.adapter)}, not {_named(data['previous'])}: look at it again"
        )
    if wanted == slot.adapter and (wanted or slot.current):
        raise StaleError(f"slot {data['slot']} serves {_named(wanted)} already")
    if kind == "kill" and wanted:
        raise EntryError("the kill switch puts back the bare base: its adapter is None")
    if wanted:
        _check_adapter(kind, adapter, approval, data)
    return replace(slot, pending=deployment)


def succeeded(slot: SlotState, deployment: str, adapter: str | None) -> SlotState:
    """The slot after ``deployment:succeeded``."""
    return replace(slot, adapter=adapter, current=deployment, pending=None)


def failed(slot: SlotState) -> SlotState:
    """The slot after ``deployment:failed``: it serves what it served."""
    return replace(slot, pending=None)


def _check_adapter(kind: str, adapter: AdapterState | None, approval: Approval | None, data: Mapping[str, Any]) -> None:
    if adapter is None or adapter.retired:
        raise IllegalTransitionError(
            f"only an adapter that is known and not retired can serve, {_named(data['adapter'])} is not"
        )
    if kind == "break_glass":
        return
    if why_not := _why_not(approval, data):
        raise IllegalTransitionError(
            f"adapter {_named(data['adapter'])} must be approved to serve in slot {data['slot']}: "
            f"request {data['request']!r} {why_not}"
        )


def _why_not(approval: Approval | None, data: Mapping[str, Any]) -> str | None:
    """Why a request is no approval for this adapter in this slot; None where it is."""
    if approval is None:
        return "is not known"
    if approval.adapter != data["adapter"]:
        return f"is for adapter {_named(approval.adapter)}"
    if approval.slot != data["slot"]:
        return f"is for slot {approval.slot}"
    return None if approval.state in APPROVED else f"is {approval.state}"


def _named(adapter: str | None) -> str:
    return adapter[:16] if adapter else "the bare base"
