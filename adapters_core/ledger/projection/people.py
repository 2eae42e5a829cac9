"""Entries about people and policies, to the rows that say who may and by which rule."""

from adapters_core.errors import IllegalTransitionError
from adapters_core.ledger.approval_tables import index_policies, index_roles
from adapters_core.ledger.flow import lifecycles
from adapters_core.ledger.flow.requests import stages_from
from adapters_core.ledger.index_tables import index_subjects
from adapters_core.ledger.projection.changes import Changes
from adapters_core.ledger.projection.fields import name, whole
from adapters_core.ledger.records import Entry, time_text


def project_person(changes: Changes, entry: Entry) -> str:
    """Apply an entry about a person or their roles; answers the person's state."""
    person = entry.subject.id
    known = changes.get(index_subjects, "person", person)
    state = lifecycles.moved("person", known["state"] if known else None, entry.event)
    if entry.event not in {"role:granted", "role:revoked"}:
        return state
    role = name(entry.data, "role")
    held = changes.get(index_roles, person, role) is not None
    if entry.event == "role:granted":
        if held:
            raise IllegalTransitionError(f"role:granted needs a role that the person has not: {role} is held already")
        row = {"person": person, "role": role, "seq": entry.seq, "time": time_text(entry.time)}
        changes.put(index_roles, row)
    elif not held:
        raise IllegalTransitionError(f"role:revoked needs a role that the person has: {role} is not held")
    else:
        changes.drop(index_roles, person, role)
    return state


def project_policy(changes: Changes, entry: Entry) -> str:
    """Apply an entry about a policy; versions count from 1 without gaps."""
    policy, version = entry.subject.id, whole(entry.data, "version")
    stages_from(entry.data["stages"])
    taken = changes.get(index_policies, policy, version) is not None
    follows = version == 1 or changes.get(index_policies, policy, version - 1) is not None
    if version < 1 or taken or not follows:
        raise IllegalTransitionError(f"policy:set needs the version after the latest one of {policy}, got {version}")
    changes.put(index_policies, {"policy": policy, "version": version, "seq": entry.seq})
    return "active"
