"""The canary: whether what an engine serves under a name is the adapter that was approved.

Fixed prompts, the most probable first tokens with their log-probabilities. They are recorded with the evaluation that
the approval is bound to, and compared after every load. Texts that are equal prove nothing: a wrong adapter often says
the same.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from adapters_core.errors import CanaryError
from governance.engines.engine import Engine, Nats, Reading

SET = "ringi-canary-1"
PROMPTS = (
    "The rules of the company say that",
    "Question: Who has to sign the form?\nAnswer:",
    "The deadline is on the",
    "Question: How much does it cost in yen?\nAnswer:",
)
"""Of no context: the ledger may hold what is said after them."""
TOP = 10
_COMMON = 5
"""Tokens that two readings of a prompt must share to be compared."""


@dataclass(frozen=True, kw_only=True)
class Canary:
    """What the adapter said when it was evaluated, and the base without it."""

    adapter: Reading
    base: Reading

    def to_json(self) -> dict[str, Any]:
        """As entries and reports hold it."""
        return {
            "set": SET,
            "top": TOP,
            "adapter": [dict(reading) for reading in self.adapter],
            "base": [dict(reading) for reading in self.base],
        }


def take(engine: Engine, name: str) -> Canary:
    """Read an adapter and the base. Raises as :meth:`Engine.read_out`."""
    return Canary(
        adapter=engine.read_out(name, PROMPTS, top=TOP),
        base=engine.read_out(None, PROMPTS, top=TOP),
    )


def canary_from(stated: Mapping[str, Any] | None) -> Canary:
    """The canary that an evaluation recorded.

    Raises:
        CanaryError: it recorded none, or one of other prompts.
    """
    if stated is None or stated.get("set") != SET:
        raise CanaryError("an adapter must have a canary from its evaluation, it has none: evaluate it again")
    return Canary(adapter=tuple(stated["adapter"]), base=tuple(stated["base"]))


def check(engine: Engine, name: str, approved: Canary) -> dict[str, Any]:
    """Compare what an engine serves under a name with what was approved; answers what the ledger records of it.

    Raises:
        CanaryError: it is another adapter, a damaged one, or none.
        EngineError: the engine gives no answer.
    """
    seen = engine.read_out(name, PROMPTS, top=TOP)
    away, from_base = distance(seen, approved.adapter), distance(seen, approved.base)
    found = {
        "set": SET,
        "distance": _finite(away),
        "distance_from_base": _finite(from_base),
        "tolerance": engine.tolerance,
        "passed": away <= engine.tolerance and away < from_base,
    }
    if not found["passed"]:
        raise CanaryError(
            f"{name} on {engine.name} must lie within {engine.tolerance} nats of what was approved and nearer to it "
            f"than to the bare base, it lies {away:.4f} and {from_base:.4f} away: it is not served"
        )
    return found


def distance(first: Reading, second: Reading) -> Nats:
    """Mean difference of log-probabilities over what the second would say, of the prompt where it is largest.

    Weighted by probability: a quantised base moves tokens that it would hardly say by much more than those it says.
    Infinite where two readings of a prompt share too few tokens.
    """
    if len(first) != len(second):
        return math.inf
    return max((_distance(a, b) for a, b in zip(first, second, strict=True)), default=math.inf)


def _distance(first: Mapping[str, Nats], second: Mapping[str, Nats]) -> Nats:
    common = set(first) & set(second)
    if len(common) < min(_COMMON, len(second)) or not common:
        return math.inf
    weights = {token: math.exp(second[token]) for token in common}
    total = math.fsum(weights.values())
    apart = math.fsum(weight * abs(first[token] - second[token]) for token, weight in weights.items())
    return apart / total if total and math.isfinite(apart) else math.inf


def _finite(number: Nats) -> Nats | None:
    return number if math.isfinite(number) else None
