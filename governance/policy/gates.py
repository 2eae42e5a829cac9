"""Approval policies and their thresholds: what an adapter must reach, and whether it does."""

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from adapters_core.errors import InputError
from governance.policy.choices import checked_choices
from governance.policy.norms import NormPlace

OPERATORS: Mapping[str, Callable[[float, float], bool]] = {">=": operator.ge, "<=": operator.le}
Metric = Literal["recovery", "retention", "norm_outlier", "personal_data"]
METRICS: tuple[Metric, ...] = get_args(Metric)
PASSABLE: tuple[Metric, ...] = ("recovery", "retention")
"""Metrics whose gates an approval with conditions may pass over, unless the policy says otherwise: people may weigh how
useful an adapter is, not what it holds of persons nor that it stands out."""


@dataclass(frozen=True, kw_only=True)
class Gate:
    """One threshold."""

    name: str
    metric: str
    operator: str
    threshold: float

    def to_json(self) -> dict[str, Any]:
        """As the ledger holds it."""
        return {"name": self.name, "metric": self.metric, "operator": self.operator, "threshold": self.threshold}


@dataclass(frozen=True, kw_only=True)
class GateResult:
    """Whether a threshold was reached."""

    gate: Gate
    value: float | None
    """None where it was not measured; then the gate has not been passed."""
    report: str | None
    """Digest of the evaluation report that it was measured in; None where it comes from no evaluation."""
    passed: bool
    """Whether it was measured and reached."""

    def to_json(self) -> dict[str, Any]:
        """As a decision's entry holds it."""
        return {**self.gate.to_json(), "value": self.value, "report": self.report, "passed": self.passed}


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What is known of an adapter when its gates are asked."""

    evaluations: Sequence[Mapping[str, Any]]
    """Data of its ``adapter:evaluated`` entries, oldest first."""
    norms: NormPlace
    personal_data: int
    """How much the scans of its contexts found."""


def gate(stated: Mapping[str, Any]) -> Gate:
    """A gate as a policy states it.

    Raises:
        InputError: it names no metric or operator that there is.
    """
    metric, sign = str(stated.get("metric")), str(stated.get("operator"))
    if metric not in METRICS or sign not in OPERATORS:
        raise InputError(f"a gate compares one of {METRICS} by one of {sorted(OPERATORS)}, got {metric!r} {sign!r}")
    threshold = stated.get("threshold")
    if isinstance(threshold, bool) or not isinstance(threshold, int | float):
        raise InputError(f"the threshold of {metric} must be a number, got {threshold!r}")
    return Gate(name=str(stated.get("name") or metric), metric=metric, operator=sign, threshold=float(threshold))


def check_gates(policy: Mapping[str, Any], evidence: Evidence) -> tuple[GateResult, ...]:
    """Every gate of a policy with its value."""
    gates = [gate(stated) for stated in policy["gates"]]
    if policy.get("norm_outlier") is not None:
        limit = float(policy["norm_outlier"])
        gates.append(Gate(name="norm_outlier", metric="norm_outlier", operator="<=", threshold=limit))
    return tuple(_judged(one, evidence) for one in gates)


def recorded_gates(decision: Mapping[str, Any]) -> tuple[GateResult, ...] | None:
    """The results that were signed with a decision; None of one that was made before entries held them."""
    if (stated := decision.get("gates")) is None:
        return None
    return tuple(
        GateResult(gate=gate(one), value=number(one["value"]), report=one["report"], passed=one["passed"])
        for one in stated
    )


def passable(policy: Mapping[str, Any]) -> tuple[Metric, ...]:
    """Metrics whose gates an approval with conditions may pass over under a policy."""
    return tuple(metric for metric in METRICS if metric in policy.get("passable", PASSABLE))


def checked_passable(stated: Iterable[str]) -> list[str]:
    """Metrics as the ledger holds them.

    Raises:
        InputError: there is no such metric.
    """
    return [*checked_choices(stated, METRICS, must="passable must name metrics of")]


def missing_suites(policy: Mapping[str, Any], evidence: Evidence) -> tuple[str, ...]:
    """Evaluations that the policy demands and that were not made."""
    made = {evaluation["suite"] for evaluation in evidence.evaluations}
    return tuple(suite for suite in policy["required_suites"] if suite not in made)


def _judged(asked: Gate, evidence: Evidence) -> GateResult:
    value, report = _measured(asked.metric, evidence)
    # Among few approved adapters none can stand out.
    passed = asked.metric == "norm_outlier" if value is None else OPERATORS[asked.operator](value, asked.threshold)
    return GateResult(gate=asked, value=value, report=report, passed=passed)


def _measured(metric: str, evidence: Evidence) -> tuple[float | None, str | None]:
    if metric == "norm_outlier":
        return evidence.norms.distance, None
    if metric == "personal_data":
        return float(evidence.personal_data), None
    for evaluation in reversed(evidence.evaluations):
        if (value := number(evaluation.get(metric))) is not None:
            return value, evaluation["report_digest"]
    return None, None


def number(stated: object) -> float | None:
    """A measured value: a number, or the value of {"value": ..., "low": ..., "high": ...}; None where there is none."""
    if isinstance(stated, Mapping):
        return number(stated.get("value"))
    return float(stated) if isinstance(stated, int | float) and not isinstance(stated, bool) else None
