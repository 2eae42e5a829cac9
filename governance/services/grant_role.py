"""Grant and revoke roles."""

from adapters_core.ledger import people_queries
from adapters_core.ledger.records import Entry
from adapters_core.ledger.transactions import Reader
from governance.policy.actions import Action
from governance.policy.actors import Actor
from governance.policy.subjects import PersonFacts
from governance.services import references
from governance.services.acting import Act, perform
from governance.services.notices import notify


def grant_role(actor: Actor, *, person: str, role: str, reason: str = "") -> Entry:
    """Grant a role.

    Raises:
        DeniedError: the rules refuse; for oneself, for instance, or together with a conflicting role.
    """
    return _change(actor, Action.GRANT_ROLE, person, role, reason)


def revoke_role(actor: Actor, *, person: str, role: str, reason: str = "") -> Entry:
    """Revoke a role. Raises as :func:`grant_role`."""
    return _change(actor, Action.REVOKE_ROLE, person, role, reason)


def person_facts(reader: Reader, person: str, role: str) -> PersonFacts:
    """Of a person whose role is to change."""
    return PersonFacts(
        id=person,
        known=people_queries.state_of(reader, references.person(person)) == "active",
        roles=frozenset(row.role for row in people_queries.roles_of(reader, person)),
        role=role,
        admins=len(people_queries.people_with(reader, "admin")),
    )


def _change(actor: Actor, action: Action, person: str, role: str, reason: str) -> Entry:
    event = "role:granted" if action is Action.GRANT_ROLE else "role:revoked"

    def work(act: Act) -> Entry:
        act.ask(person_facts(act.tx, person, role))
        entry = act.append(event, {"role": role, "reason": reason.strip() or None})
        notify(act, entry, "role_changed", (person,))
        return entry

    return perform(actor, action, references.person(person), work)
