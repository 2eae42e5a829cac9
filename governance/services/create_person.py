"""Add a person: an account to sign in with, and an entry in the ledger, from which on it opens something."""

from governance.installation import installation
from governance.policy.actions import Action
from governance.policy.actors import Actor
from governance.policy.subjects import Anything
from governance.services import references
from governance.services.acting import Act, perform
from governance.services.make_account import check_account, make_account, new_person


def create_person(actor: Actor, *, name: str, email: str, password: str | None = None) -> str:
    """Add a person without any role; answers their id. A password is a first one, which others have seen.

    Raises:
        DeniedError: the rules refuse.
        InputError: the name is empty, the address is none, or somebody has it.
    """
    check_account(name, email)
    with installation().ledger.read() as reader:
        identifier = new_person(reader, email)

    def work(act: Act) -> str:
        act.ask(Anything())
        # Committed before the entry is: what is stopped here leaves an account for the next attempt to take.
        make_account(identifier, name, email, password)
        act.append("person:created", {"name": name.strip(), "first_password": password is not None})
        return identifier

    return perform(actor, Action.CREATE_PERSON, references.person(identifier), work)
