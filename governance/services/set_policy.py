"""Set an approval policy: a new version, under which everything that is open must be requested again."""

import re
from collections.abc import Mapping
from typing import Any

from adapters_core.errors import InputError, UnknownSubjectError
from adapters_core.ledger import people_queries
from adapters_core.ledger.records import Entry
from adapters_core.ledger.transactions import Reader
from governance.actors import snapshot
from governance.policy.actions import DECISIONS, MAY, Action
from governance.policy.actors import Actor
from governance.policy.gates import PASSABLE, checked_passable, gate
from governance.policy.repairs import KINDS, checked_repairs
from governance.policy.subjects import Anything
from governance.policy.system_words import written
from governance.services import references
from governance.services.acting import Act, perform
from governance.services.evaluate import SUITES
from governance.services.void_changed import void_of_policy

NAME = re.compile(r"[a-z][a-z0-9-]{1,38}[a-z0-9]")
ROLES = frozenset().union(*(MAY[action] for action in DECISIONS))
LONGEST_DAYS = 3650


def set_policy(actor: Actor, *, name: str, policy: Mapping[str, Any]) -> Entry:
    """Set the next version of a policy; requests and approvals under the old one are voided.

    Args:
        actor: who sets it.
        name: of the policy.
        policy: stages, required_suites, gates, expires_days, cool_down_hours, norm_outlier, passable (see
            ``policy.gates.PASSABLE`` unless stated), repairs (all unless stated).

    Raises:
        DeniedError: the rules refuse.
        InputError: the policy cannot be used.
    """
    stated = checked_policy(name, policy)

    def work(act: Act) -> Entry:
        act.ask(Anything())
        version = next_version(act.tx, name)
        entry = act.append("policy:set", {"version": version, **stated})
        cause = written("policy_replaced", name=name, version=version)
        void_of_policy(act.tx, name, actor=snapshot(act.actor), cause=cause)
        return entry

    return perform(actor, Action.SET_POLICY, references.policy(name), work)


def next_version(reader: Reader, name: str) -> int:
    """The version after the latest one; 1 for a new policy."""
    try:
        latest: int = people_queries.policy(reader, name).data["version"]
    except UnknownSubjectError:
        return 1
    return latest + 1


def checked_policy(name: str, policy: Mapping[str, Any]) -> dict[str, Any]:
    """A policy that can be worked with.

    Raises:
        InputError: it cannot.
    """
    if not NAME.fullmatch(name):
        raise InputError(f"a policy's name must have 3 to 40 small letters, digits and dashes, got {name[:60]!r}")
    stages = [_stage(stage) for stage in policy["stages"]]
    if not stages:
        raise InputError("a policy must have at least one stage, got none")
    if unknown := set(policy["required_suites"]) - set(SUITES):
        raise InputError(f"required evaluations must be of {', '.join(SUITES)}, got {', '.join(sorted(unknown))}")
    days, hours = policy["expires_days"], policy["cool_down_hours"]
    if not 1 <= days <= LONGEST_DAYS or not 0 <= hours <= 24 * LONGEST_DAYS:
        raise InputError(f"an approval must expire after 1 to {LONGEST_DAYS} days, and a cool-down not be negative")
    return {
        "stages": stages,
        "required_suites": sorted(policy["required_suites"]),
        "gates": [gate(stated).to_json() for stated in policy["gates"]],
        "expires_days": days,
        "cool_down_hours": hours,
        "norm_outlier": policy.get("norm_outlier"),
        "passable": checked_passable(policy.get("passable", PASSABLE)),
        "repairs": checked_repairs(policy.get("repairs", KINDS)),
    }


def _stage(stage: Mapping[str, Any]) -> dict[str, Any]:
    name, role, needed = str(stage.get("name") or "").strip(), stage.get("role"), stage.get("needed", 1)
    if not name or role not in ROLES or type(needed) is not int or not 1 <= needed <= 20:  # noqa: PLR2004
        raise InputError(
            f"a stage must have a name, a role of {', '.join(sorted(ROLES))} and 1 to 20 approvals, got {stage!r:.120}"
        )
    return {"name": name, "role": role, "needed": needed}
