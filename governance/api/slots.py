"""Slots: what they serve, what they served when, and how each deployment went. Only people change one, here too."""

from datetime import datetime
from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Query, Router, Status

from adapters_core.errors import InputError
from adapters_core.ledger import slot_queries
from adapters_core.ledger.slot_queries import DeploymentRow
from adapters_core.ledger.transactions import Reader
from governance.api.callers import ANYBODY
from governance.api.fields import Before, Limit, Moment, Name
from governance.api.reading import actor_of, look_up, page, read
from governance.api.slot_records import (
    DeployIn,
    Deployment,
    DeploymentDetail,
    Deployments,
    KillIn,
    RollBackIn,
    Served,
    Slot,
    Slots,
)
from governance.installation import installation
from governance.policy.actions import Action
from governance.selectors.moments import served
from governance.selectors.slot_pages import deployment_view
from governance.services import references
from governance.services.deploy import deploy
from governance.services.forbidding import forbid
from governance.services.kill_switch import kill_switch
from governance.services.roll_back import roll_back

router = Router(tags=["slots"])
deployments = Router(tags=["slots"])


@router.get("", response=Slots)
def list_slots(request: HttpRequest) -> object:
    """All slots and what they serve."""
    return {"rows": read(request, slot_queries.slots)}


@router.get("/{name}", response=Slot, auth=ANYBODY)
def read_slot(request: HttpRequest, name: Name) -> object:
    """One slot."""
    return read(request, lambda db: slot_queries.slot(db, name))


@router.get("/{name}/deployments", response=Deployments)
def list_deployments(request: HttpRequest, name: Name, before: Before = None, limit: Limit = 50) -> object:
    """A slot's history."""

    def look(db: Reader) -> tuple[DeploymentRow, ...]:
        return slot_queries.timeline(db, slot_queries.slot(db, name).slot, before=before, limit=limit + 1)

    return page(read(request, look), limit, lambda row: row.seq)


@router.get("/{name}/at", response=Served)
def read_served(
    request: HttpRequest, name: Name, time: Annotated[Moment, Query(description="A moment that has passed")]
) -> object:
    """What served at a moment, approved by whom, on what evidence."""
    return read(request, lambda db: _served(db, name, time))


@router.post("/{name}/deployments", response={202: Deployment}, auth=ANYBODY)
def deploy_adapter(request: HttpRequest, name: Name, body: DeployIn) -> Status[object]:
    """Deploy, as an administrator with address and password. A token never does: 403, and the attempt is recorded."""
    actor = actor_of(request)
    forbid(actor, Action.DEPLOY, references.slot(name))
    return _begun(deploy(actor, slot=name, adapter=body.adapter, seen=body.seen, reason=body.reason).subject.id)


@router.post("/{name}/rollback", response={202: Deployment}, auth=ANYBODY)
def roll_back_slot(request: HttpRequest, name: Name, body: RollBackIn) -> Status[object]:
    """Put an earlier adapter back, as an administrator with address and password.

    A token never does: 403, and the attempt is recorded.
    """
    actor = actor_of(request)
    forbid(actor, Action.ROLL_BACK, references.slot(name))
    return _begun(roll_back(actor, slot=name, adapter=body.adapter, seen=body.seen, reason=body.reason).subject.id)


@router.post("/{name}/kill", response={202: Deployment}, auth=ANYBODY)
def kill_slot(request: HttpRequest, name: Name, body: KillIn) -> Status[object]:
    """The kill switch: serve the bare base, as an administrator with address and password.

    A token never does: 403, and the attempt is recorded.
    """
    actor = actor_of(request)
    forbid(actor, Action.KILL_SWITCH, references.slot(name))
    return _begun(kill_switch(actor, slot=name, seen=body.seen, reason=body.reason).subject.id)


@deployments.get("/{identifier}", response=DeploymentDetail, auth=ANYBODY)
def read_deployment(request: HttpRequest, identifier: Name) -> object:
    """One deployment and how it went."""
    found = read(request, lambda db: deployment_view(db, identifier))
    return {**vars(found.row), "end": found.end, "restore_seconds": found.restore}


def _begun(identifier: str) -> Status[object]:
    return Status(202, look_up(lambda db: slot_queries.deployment(db, identifier)))


def _served(db: Reader, name: str, moment: datetime) -> dict[str, Any]:
    if moment > installation().ledger.clock():
        raise InputError("a moment must have passed, got one in the future")
    found = served(db, name, moment)
    return {
        "slot": found.slot.slot,
        "moment": found.moment,
        "existed": found.existed,
        "adapter": found.deployment.adapter if found.deployment else None,
        "deployment": found.deployment,
        "request": found.approval.request if found.approval else None,
        "signed": found.signed,
        "evaluations": [one.report for one in found.evaluations],
    }
