"""What is told to MLflow: messages, written with the entries that they project. Nothing here imports it."""

from adapters_core.ledger import outbox
from adapters_core.ledger.records import Entry
from adapters_core.ledger.transactions import Writer

ADAPTER, EVALUATION, ALIAS, DELETION = "mlflow.adapter", "mlflow.evaluation", "mlflow.alias", "mlflow.delete"
TOPICS = (ADAPTER, EVALUATION, ALIAS, DELETION)


def send_adapter(writer: Writer, entry: Entry) -> None:
    """A run with the adapter's files, for an ``adapter:generated`` entry."""
    _send(writer, ADAPTER, entry, entry.subject.id)


def send_evaluation(writer: Writer, entry: Entry) -> None:
    """Metrics and report in the adapter's run, for an ``adapter:evaluated`` entry."""
    _send(writer, EVALUATION, entry, entry.subject.id)


def send_alias(writer: Writer, entry: Entry, slot: str) -> None:
    """The aliases champion and previous of a slot, for a ``deployment:succeeded`` entry."""
    payload = {"slot": slot}
    outbox.send(writer, topic=ALIAS, key=f"{slot}:{entry.seq}", payload=payload, lane=f"mlflow:{slot}", seq=entry.seq)


def send_deletion(writer: Writer, entry: Entry) -> None:
    """The end of the adapter's run, for an ``adapter:artifact_deleted`` entry."""
    _send(writer, DELETION, entry, entry.subject.id)


def _send(writer: Writer, topic: str, entry: Entry, adapter: str) -> None:
    payload = {"adapter": adapter, "seq": entry.seq}
    key = f"{adapter}:{entry.seq}"
    outbox.send(writer, topic=topic, key=key, payload=payload, lane=f"mlflow:{adapter}", seq=entry.seq)
