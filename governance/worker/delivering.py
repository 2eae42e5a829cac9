"""One message of the outbox from its lease to its end. What is down is tried again without end; a refusal is final."""

import logging
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from adapters_core.errors import IllegalTransitionError, LeaseLostError, RingiError
from adapters_core.ledger.outbox import delivered, failed, given_up, lease_messages
from adapters_core.ledger.outbox_queries import Message
from governance.worker import deleting, deploying, projection, scrubbing, telling
from governance.worker.workplace import Workplace, passes

LEASE_SECONDS = 60.0
AT_ONCE = 5
_TRIES_OF_A_FAULT = 5
_LOG = logging.getLogger("ringi.worker")
URGENT = (deploying.TOPIC,)
"""What somebody waits for."""
OTHERS = (deploying.CANARY_TOPIC, deleting.TOPIC, scrubbing.TOPIC, telling.NOTICE, telling.MAIL, telling.WEBHOOK)
_TRACKING = "governance.worker.tracking"
"""Named, not imported: it leads to MLflow, and web processes import this module's topics."""
Deliver = Callable[[Workplace, Message], str]


def prepare(at: Workplace) -> None:
    """Do now what takes seconds at the first message to MLflow: they would hold up a rollback beside it."""
    import_module(_TRACKING).prepare(at)


def _tracked(at: Workplace, message: Message) -> str:
    deliveries: Mapping[str, Any] = import_module(_TRACKING).DELIVERIES
    return str(deliveries[message.topic](at, message.payload))


DELIVERIES: Mapping[str, Deliver] = {
    deploying.TOPIC: lambda at, message: deploying.deploy(at, message.payload),
    deploying.CANARY_TOPIC: lambda at, message: deploying.check_afterwards(at, message.payload),
    deleting.TOPIC: lambda at, message: deleting.delete(at, message.payload),
    scrubbing.TOPIC: lambda at, _message: scrubbing.scrub(at),
    telling.NOTICE: lambda at, message: telling.tell(at, message.payload, key=message.key),
    telling.MAIL: lambda _at, message: telling.write(message.payload, key=message.key),
    telling.WEBHOOK: lambda at, message: telling.call(at, message.payload, key=message.key),
    **dict.fromkeys(projection.TOPICS, _tracked),
}


def deliver_some(at: Workplace, topics: tuple[str, ...], *, limit: int = AT_ONCE) -> int:
    """Deliver what is due of some topics; answers how many messages were taken."""
    with at.ledger.write() as tx:
        messages = lease_messages(tx, worker=at.name, topics=topics, limit=limit, seconds=LEASE_SECONDS)
    for message in messages:
        _deliver(at, message)
    return len(messages)


def _deliver(at: Workplace, message: Message) -> None:
    try:
        detail = DELIVERIES[message.topic](at, message)
    except LeaseLostError:
        return
    except RingiError as error:
        # A state that does not fit yet (a slot still serves it) may fit later.
        again = passes(error) or isinstance(error, IllegalTransitionError)
        _end(at, message, error=f"{error.code}: {error}", again=again)
    except Exception as error:  # noqa: BLE001  a fault of ours must not end the worker, nor lose the message
        _LOG.exception("message %s failed in a way that was not foreseen", message.message)
        again = message.attempts < _TRIES_OF_A_FAULT
        _end(at, message, error=f"{type(error).__name__} in {message.topic}", again=again)
    else:
        try:
            with at.ledger.write() as tx:
                delivered(tx, message, detail=detail)
        except LeaseLostError:
            _LOG.info("message %s went to another worker", message.message)


def _end(at: Workplace, message: Message, *, error: str, again: bool) -> None:
    _LOG.warning("message %s %s: %s", message.message, message.topic, error)
    try:
        with at.ledger.write() as tx:
            (failed if again else given_up)(tx, message, error=error)
    except LeaseLostError:
        _LOG.info("message %s went to another worker", message.message)
