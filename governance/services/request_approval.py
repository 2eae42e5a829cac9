"""Request an approval: bound to the adapter, its evaluations and the version of the policy."""

from uuid import uuid4

from adapters_core.errors import InputError
from adapters_core.ledger import people_queries, slot_queries
from governance.policy.actions import Action
from governance.policy.actors import Actor
from governance.services import facts, references
from governance.services.acting import Act, perform
from governance.services.notices import notify_roles


def request_approval(actor: Actor, *, adapter: str, slot: str, comment: str) -> str:
    """Open a request under the policy of the slot; answers its id.

    Raises:
        DeniedError: the rules refuse.
        InputError: the comment is empty, or the slot serves another base.
        UnknownSubjectError: there is no such adapter or slot.
    """
    if not comment.strip():
        raise InputError("a request must say why the adapter is wanted, got an empty comment")
    identifier = str(uuid4())

    def work(act: Act) -> str:
        target = slot_queries.slot(act.tx, slot)
        policy = target.policy
        rules = people_queries.policy(act.tx, policy).data
        known = facts.dossier(act.tx, adapter)
        act.ask(facts.adapter_facts(act.tx, adapter, rules))
        if target.base != known.row.base:
            raise InputError(f"the adapter must belong to the base that the slot {slot!r} serves, it does not")
        version = rules["version"]
        entry = act.append(
            "request:opened",
            {
                "adapter": adapter,
                "evaluations": known.reports,
                "policy": {"name": policy, "version": version, "stages": rules["stages"]},
                "slot": slot,
                "bound_digest": facts.bound_digest(adapter, known.reports, policy, version),
                "comment": comment.strip(),
            },
            refs=(references.adapter(adapter), references.slot(slot)),
        )
        notify_roles(act, entry, "request_waiting", (rules["stages"][0]["role"],))
        return identifier

    return perform(actor, Action.REQUEST, references.request(identifier), work)
