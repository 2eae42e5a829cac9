"""When a token was used last: noted beside its digest, not in the ledger, and at most once a minute."""

from datetime import timedelta

from adapters_core.errors import BusyError
from adapters_core.ledger import token_digests
from governance.installation import installation

EVERY = timedelta(minutes=1)


def note_use(token: str) -> None:
    """Note that a token was used now; a ledger that is busy is not waited for twice, the next use will do."""
    ledger = installation().ledger
    with ledger.read() as reader:
        last = token_digests.last_used(reader, token)
    if last is not None and ledger.clock() - last < EVERY:
        return
    try:
        with ledger.write() as tx:
            token_digests.touch_token(tx, token)
    except BusyError:
        return
