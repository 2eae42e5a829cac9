"""Which adapter a slot serves, and who asks: read from the ledger for every request, so that it is never stale."""

from dataclasses import dataclass
from datetime import datetime

from adapters_core.canonical import sha256_hex
from adapters_core.errors import AccessError, DeniedError, UnknownAdapterError, UnknownSubjectError
from adapters_core.ledger import people_queries, queries, slot_queries, token_digests
from adapters_core.ledger.records import parse_time
from adapters_core.ledger.session import Ledger
from adapters_core.ledger.transactions import Reader
from governance.engines.engine import Engine
from governance.engines.registry import Engines
from governance.services import references
from governance.services.note_use import note_use

SCOPE = "infer"
BARE = "base"
_BEARER = "bearer"


@dataclass(frozen=True, kw_only=True)
class Pointer:
    """What a slot serves at this moment."""

    slot: str
    engine: Engine
    loaded_name: str | None
    """None for the bare base."""
    adapter: str | None
    deployment: str | None


def pointer(ledger: Ledger, engines: Engines, *, authorization: str, model: str, now: datetime) -> Pointer:
    """What a request for a slot is answered by.

    Raises:
        AccessError: the token is not known, or has ended.
        DeniedError: it may not ask.
        UnknownAdapterError: there is no such slot.
    """
    with ledger.read() as db:
        token = check_token(db, authorization, now)
        try:
            row = slot_queries.slot(db, model)
        except UnknownSubjectError as error:
            names = ", ".join(slot.slot for slot in slot_queries.slots(db))
            raise UnknownAdapterError(f"the model must be the name of a slot ({names}), got {model[:60]!r}") from error
        current = slot_queries.deployment(db, row.current) if row.current else None
    note_use(token)
    return Pointer(
        slot=row.slot,
        engine=engines[row.engine],
        loaded_name=current.loaded_name if current else None,
        adapter=row.adapter,
        deployment=row.current,
    )


def check_token(reader: Reader, authorization: str, now: datetime, scope: str = SCOPE) -> str:
    """The id of the token that a request bears.

    Raises:
        AccessError: none, or one that is not known or has ended.
        DeniedError: it has not the scope.
    """
    kind, _, secret = authorization.partition(" ")
    token = token_digests.token_of(reader, sha256_hex(secret.strip().encode())) if kind.lower() == _BEARER else None
    if token is None:
        raise AccessError("a request must bear a token of this platform: Authorization: Bearer ringi_...")
    issued = queries.history(reader, references.token(token))[0]
    if people_queries.state_of(reader, references.token(token)) != "active" or now >= parse_time(
        issued.data["expires"]
    ):
        raise AccessError("the token has ended: ask an administrator for a new one")
    if scope not in issued.data["scopes"]:
        raise DeniedError(f"the token must have the scope {scope}, it has {issued.data['scopes']}", reason_code="scope")
    return token


def slots_served(ledger: Ledger, *, authorization: str, now: datetime) -> tuple[slot_queries.SlotRow, ...]:
    """All slots. Raises as :func:`check_token`."""
    with ledger.read() as db:
        token = check_token(db, authorization, now)
        found = slot_queries.slots(db)
    note_use(token)
    return found
