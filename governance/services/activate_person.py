"""Record that a person has set a password of their own in the place of the first one, which others have seen."""

from adapters_core.ledger import people_queries
from adapters_core.ledger.append import append
from governance.actors import snapshot, with_roles
from governance.installation import installation
from governance.policy.actors import Actor
from governance.services import references


def activate_person(actor: Actor) -> None:
    """Append ``person:activated``; nothing where the person had a password of their own already.

    No rule is asked: until this is recorded, the rules let them do nothing.

    Raises:
        RingiError: the ledger could not be written; then the person has to set a password once more.
    """
    ledger = installation().ledger
    with ledger.read() as reader:
        due = people_queries.password_of(reader, actor.id).first
    if not due:
        return
    with ledger.write() as tx:
        if people_queries.password_of(tx, actor.id).first:
            by = snapshot(with_roles(tx, actor))
            append(tx, "person:activated", subject=references.person(actor.id), actor=by, data={})
