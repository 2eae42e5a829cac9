"""What the core made for a job that ended without a record of it: a worker removes it, once the core answers."""

from adapters_core.ledger import job_queries, outbox, queries
from adapters_core.ledger.transactions import Writer
from governance.services import references

TOPIC = "artifact.delete"


def send_away(writer: Writer, job: str, adapter: str | None = None) -> None:
    """Have removed what a job made, once it has ended and no entry records that.

    Args:
        writer: the open write transaction.
        job: its id. While it may be tried again, what it made is left to the next try.
        adapter: digest of what the core made; None: as the job's progress names it.
    """
    ended = job_queries.job(writer, job)
    made = adapter or (ended.progress or {}).get("adapter")
    if made is None or ended.state in {"queued", "leased"} or queries.history(writer, references.adapter(made)):
        return
    key = f"{job}:{ended.fence}:{made}"
    outbox.send(writer, topic=TOPIC, key=key, payload={"adapter": made, "job": job})
