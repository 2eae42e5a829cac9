"""Evaluate an adapter against its baselines: queued for a worker, which records scores and report."""

from django.conf import settings

from adapters_core.canonical import digest_of
from adapters_core.errors import InputError
from adapters_core.ledger import jobs
from adapters_core.ledger.job_queries import Job
from adapters_core.versions import code_version
from governance.actors import snapshot
from governance.policy.actions import Action
from governance.policy.actors import Actor
from governance.services import facts, references
from governance.services.acting import Act, perform

SUITES = ("context", "retention")
"""The questions of its own contexts; what the base must not forget."""


def evaluate(actor: Actor, *, adapter: str, suite: str = "context") -> Job:
    """Queue the evaluation.

    Raises:
        DeniedError: the rules refuse.
        InputError: there is no such suite.
        UnknownSubjectError: there is no such adapter.
    """
    if suite not in SUITES:
        raise InputError(f"a suite is one of {', '.join(SUITES)}, got {suite!r}")

    def work(act: Act) -> Job:
        act.ask(facts.adapter_facts(act.tx, adapter))
        return jobs.submit_job(
            act.tx,
            kind="evaluate",
            job_key=digest_of(
                {
                    "kind": "evaluate",
                    "adapter": adapter,
                    "suite": suite,
                    "answered": settings.ANSWERED_QUESTIONS,
                    "code": code_version(),
                }
            ),
            payload={"adapter": adapter, "suite": suite},
            actor=snapshot(act.actor),
        )

    return perform(actor, Action.EVALUATE, references.adapter(adapter), work)
