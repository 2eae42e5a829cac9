"""A place where everything is under way, and how each action is sent from a browser: for tests that attack it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from adapters_core.ledger import queries, slot_queries
from adapters_core.ledger.queries import EntryFilter
from adapters_core.ledger.records import Entry
from governance.policy.actions import Action
from governance.services.approve import approve
from governance.services.break_glass import break_glass
from governance.services.deciding import Signature
from governance.services.delegate import delegate
from governance.services.deploy import deploy
from governance.services.generate import generate
from governance.services.issue_token import issue_token
from governance.services.request_approval import request_approval
from tests.cast import HANAKO, KENJI, MISAKI, PASSWORD, SHIN, YUKI
from tests.factories.adapters import evaluated, finish, submit
from tests.factories.installations import Place
from tests.unit.governance.services.test_approving import signature

EMERGENCY = "The desk answers with prices of last year."


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What lies in the place."""

    context: str
    adapter: str
    """Evaluated; an approval of it is asked for."""
    request: str
    seen: Signature
    """What a reviewer saw of the request."""
    serving: str
    """What the slot ``support`` serves."""
    previous: str
    """What it served before."""
    idle: str
    """Evaluated, approved and not deployed."""
    incident: str
    delegation: str
    token: str
    job: str


def make_scene(place: Place) -> Scene:
    """Everything that can be acted on."""
    context = submit(place)
    previous, serving, idle = (_approved(place, context, name) for name in ("previous", "serving", "idle"))
    for adapter in (previous, serving):
        placed = deploy(place.actor(MISAKI), slot="support", adapter=adapter, seen=_now(place), reason="r")
        finish(place, placed.subject.id)
    adapter = evaluated(place, context=context, name="asked for")
    request = request_approval(place.actor(HANAKO), adapter=adapter, slot="support", comment="c")
    until = place.clock.now + timedelta(days=5)
    broken = break_glass(place.actor(MISAKI), slot="support", adapter=idle, seen=serving, reason=EMERGENCY)
    finish(place, broken.subject.id, succeeded=False)
    return Scene(
        context=context,
        adapter=adapter,
        request=request,
        seen=signature(place, request),
        serving=serving,
        previous=previous,
        idle=idle,
        incident=_latest(place, "incident:raised").subject.id,
        delegation=delegate(place.actor(YUKI), to=KENJI.id, until=until, reason="r"),
        token=issue_token(place.actor(MISAKI), name="t", scopes=frozenset({"read"}), expires=until).id,
        job=generate(place.actor(HANAKO), context=context).job,
    )


def attempts(scene: Scene) -> Mapping[Action, tuple[str, Mapping[str, Any]]]:
    """Action -> (address, fields) as its form sends it; complete, so that nothing but the rules can refuse it."""
    adapter, context, request = f"/adapters/{scene.adapter}", f"/contexts/{scene.context}", f"/requests/{scene.request}"
    sign = {"step": "sign", "proof": PASSWORD, "meaning": "", "stage": scene.seen.stage}
    sign |= {"bound_digest": scene.seen.bound_digest, "comment": "c", "conditions": "c", "required": "r"}
    reason = {"reason": "For a test of at least twenty characters."}
    change = {**reason, "seen": scene.serving}
    policy = {"name": "new-policy", "stage_1_name": "s", "stage_1_role": "reviewer", "stage_1_needed": 1}
    return {
        Action.SUBMIT_CONTEXT: ("/contexts/new", {"title": "t", "text": "Some text."}),
        Action.HOLD_CONTEXT: (f"{context}/hold", reason),
        Action.RELEASE_CONTEXT: (f"{context}/release", reason),
        Action.ERASE_CONTEXT: (f"{context}/erase", {"legal_basis": "b", "understood": "on", "proof": PASSWORD}),
        Action.GENERATE: (f"{context}/generate", {"name": "n"}),
        Action.EXTEND: (f"{adapter}/extend", {"context": scene.context, "name": "n"}),
        Action.ERASE: (f"{adapter}/erase", {"context": scene.context}),
        Action.EVALUATE: (f"{adapter}/evaluate", {"suite": "retention"}),
        Action.REQUEST: (f"{adapter}/request", {"slot": "support", "comment": "c"}),
        Action.COMMENT: (f"{request}/comment/", {"text": "t"}),
        Action.WITHDRAW: (f"{request}/withdraw/", {"comment": "c"}),
        **{
            action: (f"{request}/decide/", {**sign, "decision": action.value})
            for action in (Action.APPROVE, Action.APPROVE_WITH_CONDITIONS, Action.SEND_BACK, Action.REJECT)
        },
        Action.DELEGATE: ("/delegations/", {"to": KENJI.id, "until": "2026-11-22T09:00", "reason": "r"}),
        Action.END_DELEGATION: (f"/delegations/{scene.delegation}/end/", {}),
        Action.CREATE_SLOT: (
            "/slots/new/",
            {"title": "t", "name": "new-slot", "base": "b" * 64, "engine": "core", "policy": "standard"},
        ),
        Action.DEPLOY: ("/slots/support/deploy/", {**change, "adapter": scene.idle}),
        Action.ROLL_BACK: ("/slots/support/rollback/", {**change, "adapter": scene.previous}),
        Action.KILL_SWITCH: ("/slots/support/kill/", change),
        Action.BREAK_GLASS: ("/slots/support/break-glass/", {**change, "adapter": scene.idle, "proof": PASSWORD}),
        Action.CLOSE_INCIDENT: (
            f"/incidents/{scene.incident}/",
            {"verdict": "justified", "found": EMERGENCY, "measures": "m", "proof": PASSWORD},
        ),
        Action.RETIRE: (f"/adapters/{scene.idle}/retire", reason),
        Action.CREATE_PERSON: ("/people/add", {"name": "n", "email": "new@ringi.example"}),
        Action.GRANT_ROLE: (f"/people/{SHIN.id}/grant", {**reason, "role": "reviewer", "proof": PASSWORD}),
        Action.REVOKE_ROLE: (f"/people/{KENJI.id}/revoke", {"revoke-role": "reviewer", "revoke-reason": "r"}),
        Action.ISSUE_TOKEN: ("/tokens/issue", {"name": "n", "scopes": ["read"], "days": "7"}),
        Action.REVOKE_TOKEN: (f"/tokens/{scene.token}/revoke", {}),
        Action.SET_POLICY: ("/policies/add", {**policy, "expires_days": 9, "cool_down_hours": 9, "proof": PASSWORD}),
        Action.CANCEL_JOB: (f"/jobs/{scene.job}/cancel", {}),
        Action.RETRY_JOB: (f"/jobs/{scene.job}/retry", {}),
        Action.TRY_OUT: ("/playground/", {"question": "q", "ask": [scene.serving]}),
    }


def _approved(place: Place, context: str, name: str) -> str:
    digest = evaluated(place, context=context, name=name)
    request = request_approval(place.actor(HANAKO), adapter=digest, slot="support", comment="c")
    approve(place.actor(YUKI), request=request, signature=signature(place, request))
    return digest


def _now(place: Place) -> str | None:
    with place.ledger.read() as db:
        return slot_queries.slot(db, "support").adapter


def _latest(place: Place, event: str) -> Entry:
    with place.ledger.read() as db:
        return queries.find_entries(db, EntryFilter(events=(event,)), limit=1)[0]
