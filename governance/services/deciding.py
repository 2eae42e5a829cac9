"""What the four decisions on a request have in common: the facts, the binding, the signature."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from adapters_core.errors import DeniedError, InputError
from adapters_core.ledger import people_queries, queries, request_queries
from adapters_core.ledger.records import Entry, Subject, parse_time, time_text
from adapters_core.ledger.request_queries import RequestRow
from adapters_core.ledger.signing import DECISION_TYPE
from adapters_core.ledger.transactions import Reader
from governance.actors import standings
from governance.installation import installation
from governance.policy.actions import Action
from governance.policy.actors import Actor
from governance.policy.gates import GateResult, check_gates, passable
from governance.policy.meanings import meanings
from governance.policy.subjects import Deputy, RequestFacts
from governance.policy.system_words import written
from governance.services import facts, references
from governance.services.acting import Act, perform
from governance.services.notices import notify, notify_roles

EVENTS = {
    Action.APPROVE: "request:approved",
    Action.APPROVE_WITH_CONDITIONS: "request:conditionally_approved",
    Action.SEND_BACK: "request:sent_back",
    Action.REJECT: "request:rejected",
}
DECIDED = frozenset(EVENTS.values())


@dataclass(frozen=True, kw_only=True)
class Signature:
    """What a person puts under a decision."""

    meaning: str
    """One of those that fit the decision, see ``policy.meanings``."""
    stage: int
    """The stage that they saw."""
    bound_digest: str
    """What they saw: of the adapter, its evaluations and the policy."""
    on_behalf_of: str | None = None
    """The person whose delegate they are."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A request with what a decision on it rests on."""

    row: RequestRow
    opened: Entry
    policy: Mapping[str, Any]
    """As it stands under the version that the request is bound to."""
    gates: tuple[GateResult, ...]
    """As they stand now with the evaluations that it is bound to."""
    facts: RequestFacts


def read_case(reader: Reader, identifier: str, at: datetime, on_behalf_of: tuple[str, str] | None = None) -> Case:
    """A request as the rules see it.

    Args:
        reader: the snapshot or transaction.
        identifier: of the request.
        at: the time at which it is judged.
        on_behalf_of: (delegate, principal) where one decides for another.

    Raises:
        UnknownSubjectError: there is no such request.
    """
    row = request_queries.request(reader, identifier)
    history = queries.history(reader, references.request(identifier))
    policy = people_queries.policy(reader, row.policy, row.policy_version).data
    known = facts.dossier(reader, row.adapter)
    gates = check_gates(policy, facts.evidence(reader, known, only=history[0].data["evaluations"]))
    failed = [result for result in gates if not result.passed]
    decided = [entry for entry in history if entry.event in DECIDED]
    principals = {entry.data["on_behalf_of"] for entry in decided} - {None}
    return Case(
        row=row,
        opened=history[0],
        policy=policy,
        gates=gates,
        facts=RequestFacts(
            state=row.state,
            requested_by=row.actor,
            involved=facts.involved(known),
            stage=row.stage,
            stage_role=row.stage_role or "reviewer",
            decided_by=frozenset({*(entry.actor.id for entry in decided), *principals}),
            expires=row.time + timedelta(days=policy["expires_days"]),
            unchanged=row.bound_digest == facts.bound_now(reader, row.adapter, row.policy),
            cool_down_hours=policy["cool_down_hours"],
            failed_gates=tuple(result.gate.name for result in failed),
            binding_gates=tuple(result.gate.name for result in failed if result.gate.metric not in passable(policy)),
            deputy=_deputy(reader, *on_behalf_of, at, policy["cool_down_hours"]) if on_behalf_of else None,
        ),
    )


def _deputy(reader: Reader, delegate: str, principal: str, at: datetime, cool_down_hours: float) -> Deputy:
    granted = [entry for entry in people_queries.delegations_to(reader, delegate) if entry.actor.id == principal]
    counting = {
        standing.name
        for standing in standings(reader, principal)
        if at - standing.since >= timedelta(hours=cool_down_hours)
    }
    until = max((parse_time(entry.data["until"]) for entry in granted), default=at)
    return Deputy(principal=principal, roles=frozenset(counting), until=until, ended=not granted)


def decide(actor: Actor, action: Action, identifier: str, signature: Signature, statement: Mapping[str, Any]) -> Entry:
    """Sign a decision; answers its entry.

    Args:
        actor: who decides.
        action: one of the four decisions.
        identifier: of the request.
        signature: what they saw and mean.
        statement: what the decision's entry holds besides: comment, conditions, required.

    Raises:
        DeniedError: the rules refuse; a request that has expired or changed is closed besides.
        InputError: the meaning of the signature does not fit the decision.
        StaleError: the request has moved on since they looked at it.
        UnknownSubjectError: there is no such request.
    """

    def work(act: Act) -> Entry:
        behalf = (act.actor.id, signature.on_behalf_of) if signature.on_behalf_of else None
        case = read_case(act.tx, identifier, act.tx.now, behalf)
        try:
            act.ask(case.facts)
        except DeniedError as error:
            _close(act, error.reason_code)
            raise
        _check_meaning(action, signature, case.row)
        entry = act.append(EVENTS[action], _signed(act, case, signature, statement), refs=_about(case.row))
        _tell(act, entry, case)
        return entry

    return perform(actor, action, references.request(identifier), work)


def _check_meaning(action: Action, signature: Signature, row: RequestRow) -> None:
    """By the stage that they saw: whether that one still waits, the ledger says."""
    fitting = meanings(action, last_stage=signature.stage + 1 >= len(row.stages))
    if signature.meaning not in fitting:
        raise InputError(
            f"a signature to {action.value} at stage {signature.stage + 1} of {len(row.stages)} must mean one of "
            f"{', '.join(fitting)}, got {signature.meaning!r}"
        )


def _signed(act: Act, case: Case, signature: Signature, statement: Mapping[str, Any]) -> dict[str, Any]:
    """The entry's data, with a DSSE envelope over everything that is decided on."""
    decision = {
        "stage": signature.stage,
        "meaning": signature.meaning,
        "on_behalf_of": signature.on_behalf_of,
        "bound_digest": signature.bound_digest,
        "gates": [result.to_json() for result in case.gates],
        **statement,
    }
    if act.action is Action.APPROVE_WITH_CONDITIONS:
        decision["passed_over"] = list(case.facts.failed_gates)
    moment = act.actor.confirmed
    signed = {
        "decision": act.action.value,
        "request": case.row.request,
        "adapter": case.row.adapter,
        "slot": case.row.slot,
        "evaluations": case.opened.data["evaluations"],
        "policy": {"name": case.row.policy, "version": case.row.policy_version},
        "signed_by": {"id": act.actor.id, "name": act.actor.name},
        "authenticated": {"method": act.actor.method, "time": time_text(moment) if moment else None},
        "time": time_text(act.tx.now),
        **decision,
    }
    return {**decision, "signature": installation().signing_key.sign(signed, DECISION_TYPE)}


def _close(act: Act, code: str) -> None:
    """A request that cannot be decided on any more is closed when that is noticed."""
    if code == "request_expired":
        act.append("request:expired", {})
    elif code == "changed_since":
        act.append("request:voided", {"cause": written("changed_since")})


def _about(row: RequestRow) -> tuple[Subject, ...]:
    return (references.adapter(row.adapter), references.slot(row.slot))


def _tell(act: Act, entry: Entry, case: Case) -> None:
    after = request_queries.request(act.tx, case.row.request)
    if after.stage_role:
        notify_roles(act, entry, "request_waiting", (after.stage_role,))
    else:
        notify(act, entry, "request_decided", (case.row.actor,))
