"""How every action runs: one write transaction of the ledger, the rules asked inside it, one entry or a denial.

An action asks the rules first, appends its entry second, and writes jobs and messages last. What is refused is recorded
in the same transaction, and nothing else of it remains.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from django.utils import translation

from adapters_core.errors import DeniedError, IllegalTransitionError
from adapters_core.ledger.append import append
from adapters_core.ledger.records import Entry, Subject
from adapters_core.ledger.transactions import Writer
from governance.actors import snapshot, with_roles
from governance.installation import installation
from governance.policy import subjects
from governance.policy.actions import Action
from governance.policy.actors import Actor
from governance.policy.reasons import REASONS
from governance.policy.rules import can
from governance.services.recordable import check_entry

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Act:
    """An action while its transaction is open."""

    tx: Writer
    actor: Actor
    """With the roles of this moment."""
    action: Action
    subject: Subject

    def ask(self, facts: subjects.Subject) -> None:
        """Ask the rules.

        Raises:
            DeniedError: they refuse.
        """
        decision = can(self.actor, self.action, facts, at=self.tx.now)
        if not decision:
            raise DeniedError(decision.text, reason_code=decision.reason_code)

    def append(
        self, event: str, data: Mapping[str, Any], *, subject: Subject | None = None, refs: tuple[Subject, ...] = ()
    ) -> Entry:
        """Append an entry by this actor, on the action's subject unless another is named.

        Raises:
            IllegalTransitionError: the subject is not in a state for it.
            PersonalDataError: what a person wrote holds personal data.
        """
        check_entry(event, data)
        return append(self.tx, event, subject=subject or self.subject, actor=snapshot(self.actor), data=data, refs=refs)


def perform(actor: Actor, action: Action, subject: Subject, work: Callable[[Act], T]) -> T:
    """Run an action.

    Args:
        actor: who acts; their roles are read anew.
        action: what they do.
        subject: on what.
        work: reads the state, asks the rules, appends.

    Raises:
        DeniedError: the rules refuse; that is recorded.
        IllegalTransitionError: the subject is not in a state for it; that is recorded.
        RingiError: the ledger could not be written; nothing was.
    """
    ledger = installation().ledger
    denied: DeniedError | None = None
    try:
        with ledger.write() as tx:
            act = Act(tx=tx, actor=with_roles(tx, actor), action=action, subject=subject)
            try:
                return work(act)
            except DeniedError as error:
                # The rules are asked before anything is written: the denial is all that this transaction holds, or it
                # holds what the action let stand besides (a request that was found to have expired).
                _record_denial(act, error.reason_code)
                denied = error
    except IllegalTransitionError as error:
        # What was written before the ledger refused is undone; the denial needs a transaction of its own.
        with ledger.write() as tx:
            act = Act(tx=tx, actor=with_roles(tx, actor), action=action, subject=subject)
            _record_denial(act, error.code, detail=str(error))
        error.recorded = True
        raise
    denied.recorded = True
    raise denied


def _record_denial(act: Act, code: str, detail: str = "") -> None:
    """In English, whatever the language of the page: the ledger is read by everybody."""
    with translation.override("en"):
        act.append("denied", {"action": act.action.value, "reason_code": code, "detail": detail or str(REASONS[code])})
