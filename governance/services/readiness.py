"""Whether an adapter may be deployed to a slot, check by check; decides nothing and records nothing."""

from dataclasses import asdict, dataclass
from typing import Any

from adapters_core.errors import RingiError
from adapters_core.ledger import queries, slot_queries
from adapters_core.ledger.request_queries import RequestRow
from adapters_core.ledger.transactions import Reader
from governance import artifacts
from governance.engines import canary, gate
from governance.installation import installation
from governance.policy.gates import recorded_gates
from governance.services import facts, placing, references

APPROVING = frozenset({"request:approved", "request:conditionally_approved"})


@dataclass(frozen=True, kw_only=True)
class Check:
    """One condition."""

    name: str
    passed: bool
    detail: str


@dataclass(frozen=True, kw_only=True)
class Readiness:
    """All conditions."""

    adapter: str
    slot: str
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether all of them are met."""
        return all(check.passed for check in self.checks)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        return {**asdict(self), "checks": [asdict(check) for check in self.checks], "passed": self.passed}


def readiness(adapter: str, slot: str) -> Readiness:
    """Check an adapter against a slot.

    Raises:
        UnknownSubjectError: there is no such adapter or slot.
    """
    with installation().ledger.read() as db:
        row = slot_queries.slot(db, slot)
        known = facts.dossier(db, adapter)
        target = placing.target_facts(db, adapter, row)
        approval = placing.approval_for(db, adapter, slot)
        gates = _signed_gates(db, approval) if approval else ()
    canaries = [entry.data["canary"] for entry in known.evaluations if entry.data.get("canary")]
    now = installation().ledger.clock()
    expires = target.approval_expires
    checks = [
        Check(name="state", passed=target.state != "retired" and not target.refused_for_slot, detail=target.state),
        Check(
            name="approved for the slot", passed=target.approved_for_slot, detail=approval.request if approval else ""
        ),
        Check(name="unchanged since", passed=target.unchanged, detail="adapter, evaluations, policy"),
        Check(name="approval in force", passed=bool(expires and now < expires), detail=f"until {expires}"),
        Check(name="same base", passed=target.same_base, detail=known.row.base[:16]),
        Check(name="contexts", passed=not target.context_erased, detail="none of them erased"),
        Check(name="canary", passed=bool(canaries), detail=canary.SET if canaries else "none: evaluate it again"),
        *gates,
    ]
    try:
        folder = artifacts.adapter_folder(adapter, known.generated.data["artifact"]["files"])
        seen = gate.check_adapter(folder, known.generated, row.base)
        checks.append(Check(name="files and tensors", passed=True, detail=f"{seen['tensors']} tensors, all finite"))
    except RingiError as error:
        checks.append(Check(name="files and tensors", passed=False, detail=str(error)))
    return Readiness(adapter=adapter, slot=slot, checks=tuple(checks))


def _signed_gates(reader: Reader, approval: RequestRow) -> tuple[Check, ...]:
    """The gates as they were signed with the approval, since a deployment rests on that and not on a judgement anew."""
    history = queries.history(reader, references.request(approval.request))
    decision = next(entry.data for entry in reversed(history) if entry.event in APPROVING)
    gates = recorded_gates(decision)
    if gates is None:
        return (Check(name="gates", passed=True, detail="not recorded with this approval"),)
    over = decision.get("passed_over", ())
    return tuple(
        Check(
            name=one.gate.name,
            passed=one.passed or one.gate.name in over,
            detail=f"{one.value}" if one.passed else f"{one.value}, passed over under conditions",
        )
        for one in gates
    )
