"""Record a person whom the identity provider sends for the first time: without any role, as nobody here granted one."""

from adapters_core.ledger.append import append
from adapters_core.ledger.records import Actor, Entry
from governance.installation import installation
from governance.services import references

SIGN_ON = Actor(id="sign-on", name="identity provider", kind="system")


def welcome_person(identifier: str, name: str, *, issuer: str) -> Entry:
    """Append ``person:created``; an administrator grants the roles.

    Raises:
        IllegalTransitionError: the ledger knows a person of this id.
    """
    subject, data = references.person(identifier), {"name": name, "issuer": issuer}
    with installation().ledger.write() as tx:
        return append(tx, "person:created", subject=subject, actor=SIGN_ON, data=data)
