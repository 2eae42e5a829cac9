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


def grant_role(actor: Actor, *, person: str, role: str) -> Entry:
    """Grant a role.

    Raises:
        DeniedError: the rules refuse; for oneself, for instance, or together with a conflicting role.
    """
    return _change(actor, Action.GRANT_ROLE, "role:granted", person, role)


def revoke_role(actor: Actor, *, person: str, role: str) -> Entry:
    """Revoke a role. Raises as :func:`grant_role`."""
    return _change(actor, Action.REVOKE_ROLE, "role:revoked", person, role)


def person_facts(reader: Reader, person: str, role: str) -> PersonFacts:
    """Of a person whose role is to change."""
    return PersonFacts(
        id=person,
        known=people_queries.state_of(reader, references.person(person)) == "active",
        roles=frozenset(row.role for row in people_queries.roles_of(reader, person)),
        role=role,
        admins=len(people_queries.people_with(reader, "admin")),
    )


def _change(actor: Actor, action: Action, event: str, person: str, role: str) -> Entry:
    def work(act: Act) -> Entry:
        act.ask(person_facts(act.tx, person, role))
        entry = act.append(event, {"role": role})
        notify(act, entry, "role_changed", (person,))
        return entry

    return perform(actor, action, references.person(person), work)
