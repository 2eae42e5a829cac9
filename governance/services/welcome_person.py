"""Record a person whom the identity provider sends for the first time: without any role, as nobody here granted one."""

from adapters_core.ledger import people_queries
from adapters_core.ledger.append import append
from adapters_core.ledger.records import Actor
from governance.installation import installation
from governance.services import references

SIGN_ON = Actor(id="sign-on", name="identity provider", kind="system")


def welcome_person(identifier: str, name: str, *, issuer: str) -> None:
    """Append ``person:created``, once; an administrator grants the roles."""
    ledger, subject = installation().ledger, references.person(identifier)
    with ledger.read() as reader:
        known = people_queries.state_of(reader, subject) is not None
    if known:
        return
    with ledger.write() as tx:
        if people_queries.state_of(tx, subject) is None:
            append(tx, "person:created", subject=subject, actor=SIGN_ON, data={"name": name, "issuer": issuer})
