"""Try adapters out: the rules are asked, and a refusal is recorded. Asking changes nothing, so nothing else is."""

from collections.abc import Sequence

from governance.policy.actions import Action
from governance.policy.actors import Actor
from governance.services import facts, references
from governance.services.acting import Act, perform


def try_out(actor: Actor, *, adapters: Sequence[str]) -> None:
    """Whether these adapters may be asked by this person now.

    Raises:
        DeniedError: the rules refuse one of them.
        UnknownSubjectError: there is no such adapter.
    """
    for adapter in adapters:

        def work(act: Act, digest: str = adapter) -> None:
            act.ask(facts.adapter_facts(act.tx, digest))

        perform(actor, Action.TRY_OUT, references.adapter(adapter), work)
