"""Make the account of a person whom the ledger knows and who has none: it was lost, or never made."""

from adapters_core.errors import InputError
from governance.policy.actions import Action
from governance.policy.actors import Actor
from governance.policy.subjects import Anything
from governance.services import references
from governance.services.acting import Act, perform
from governance.services.make_account import check_account, check_free, has_account, make_account


def give_account(actor: Actor, *, person: str, name: str, email: str, password: str) -> None:
    """Record that a first password is issued to a person, then make the account that it opens.

    What is stopped in between is asked for again: the person has no account still.

    Raises:
        DeniedError: the rules refuse.
        IllegalTransitionError: the ledger knows no such person.
        InputError: they have an account, the address is none, or somebody has it.
    """
    check_account(name, email)

    def work(act: Act) -> None:
        act.ask(Anything())
        if has_account(person):
            raise InputError("an account is made for who has none: this person has one")
        check_free(person, email)
        act.append("person:password_issued", {})

    perform(actor, Action.CREATE_PERSON, references.person(person), work)
    make_account(person, name, email, password)
