"""What can be recorded: the kinds of subjects, the events of each, and the data that an event must carry.

An event is named ``<kind>:<what happened>``; ``denied`` may be recorded on any subject. Data may hold more than is
asked for here, never less: a field without a value is None, not absent.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

Kind = Literal[
    "adapter",
    "context",
    "delegation",
    "deployment",
    "drift",
    "incident",
    "job",
    "ledger",
    "person",
    "pilot",
    "policy",
    "request",
    "slot",
    "token",
]
KINDS = frozenset(get_args(Kind))
"""Kinds of subjects and of references."""

DENIED = "denied"
DECISION = ("stage", "meaning", "on_behalf_of", "bound_digest", "signature")
"""What every decision on a request carries."""
MEANINGS = ("prepared", "checked", "approved", "decided")
"""What a signature can mean."""
DEPLOYMENT_KINDS = ("deploy", "rollback", "kill", "break_glass")


@dataclass(frozen=True, kw_only=True)
class EventRule:
    """What holds for one event."""

    kind: str | None
    """The kind of its subject; None for any."""
    fields: tuple[str, ...] = ()
    """What its data must name."""
    sealed: bool = False
    """Whether a signed checkpoint follows in the same transaction: decisions and deployments."""


_GENERATED = (
    "name job_key generator base base_name tokenizer contexts tokens chunks parent added erased norms norm_total"
    " artifact cost versions device dtype threads mlflow_run"
)
_SUBMITTED = "title commitment chunk_commitments bytes characters language scan retention_until"
_EVALUATED = "evaluation suite report_digest scores recovery retention cost gates"
_POLICY = "version stages required_suites gates expires_days cool_down_hours norm_outlier"  # what is enforced
_DEPLOYMENT = "slot adapter previous kind request reason diff"


def _rule(kind: str, fields: str = "", *, sealed: bool = False) -> EventRule:
    return EventRule(kind=kind, fields=tuple(fields.split()), sealed=sealed)


def _decision(*more: str) -> EventRule:
    return EventRule(kind="request", fields=(*DECISION, *more), sealed=True)


EVENTS: Mapping[str, EventRule] = {
    "context:submitted": _rule("context", _SUBMITTED),
    "context:held": _rule("context", "reason"),
    "context:released": _rule("context", "reason"),
    "context:erased": _rule("context", "legal_basis adapters", sealed=True),
    "adapter:generated": _rule("adapter", _GENERATED),
    "adapter:evaluated": _rule("adapter", _EVALUATED),
    "adapter:tracked": _rule("adapter", "mlflow_run experiment"),
    "adapter:retired": _rule("adapter", "reason", sealed=True),
    "adapter:artifact_deleted": _rule("adapter"),
    "request:opened": _rule("request", "adapter evaluations policy slot bound_digest comment"),
    "request:approved": _decision(),
    "request:conditionally_approved": _decision("conditions"),
    "request:sent_back": _decision("comment", "required"),
    "request:rejected": _decision("comment"),
    "request:withdrawn": _rule("request"),
    "request:expired": _rule("request"),
    "request:voided": _rule("request", "cause", sealed=True),
    "request:commented": _rule("request", "comment"),
    "delegation:granted": _rule("delegation", "from to until reason"),
    "delegation:ended": _rule("delegation"),
    "slot:created": _rule("slot", "title base engine policy"),
    "deployment:requested": _rule("deployment", _DEPLOYMENT),
    "deployment:succeeded": _rule("deployment", "engine loaded_name read_back canary seconds", sealed=True),
    "deployment:failed": _rule("deployment", "error", sealed=True),
    "policy:set": _rule("policy", _POLICY, sealed=True),
    "person:created": _rule("person"),
    "person:password_issued": _rule("person"),
    "person:activated": _rule("person"),
    "role:granted": _rule("person", "role"),
    "role:revoked": _rule("person", "role"),
    "token:issued": _rule("token", "scopes expires"),
    "token:revoked": _rule("token"),
    "drift:found": _rule("drift", "between expected observed"),
    "drift:repaired": _rule("drift"),
    "incident:raised": _rule("incident", "what detail"),
    "incident:closed": _rule("incident", "comment"),
    "pilot:defined": _rule("pilot", "title scope participants period criteria questions adapters"),
    "pilot:result_recorded": _rule("pilot", "results"),
    "pilot:decided": _rule("pilot", "decision comment signature", sealed=True),
    DENIED: EventRule(kind=None, fields=("action", "reason_code", "detail")),
}
"""Every event that can be appended."""
