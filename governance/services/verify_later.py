"""Verify a ledger that takes long: queued for a worker. Evidence of nothing, so it asks for no more than reading."""

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from adapters_core.canonical import digest_of
from adapters_core.ledger import jobs
from adapters_core.ledger.job_queries import Job, find_jobs
from governance.actors import snapshot
from governance.installation import installation
from governance.policy.actors import Actor

KIND = "verify"


def verify_later(actor: Actor, wanted: Mapping[str, Any]) -> Job:
    """Queue the verification; the one that is under way already, where the same was asked for.

    Args:
        actor: who asks, and may read.
        wanted: what is to be verified, as ``selectors.verification.Wanted`` states it.
    """
    with installation().ledger.write() as tx:
        for under_way in find_jobs(tx, states=("queued", "leased"), kinds=(KIND,)):
            if under_way.payload == wanted:
                return under_way
        key = digest_of({"kind": KIND, "asked": str(uuid4())})
        return jobs.submit_job(tx, kind=KIND, job_key=key, payload=wanted, actor=snapshot(actor))
