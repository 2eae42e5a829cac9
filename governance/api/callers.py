"""Who calls the API: a bearer token that the ledger issued, that is in force and has not expired."""

from django.http import HttpRequest
from ninja.security import HttpBearer

from adapters_core.canonical import sha256_hex
from adapters_core.errors import AccessError, DeniedError
from adapters_core.ledger import people_queries, queries, token_digests
from adapters_core.ledger.records import Subject, parse_time
from governance.installation import installation
from governance.policy.actions import Action
from governance.policy.actors import Actor
from governance.policy.rules import can
from governance.policy.subjects import Anything
from governance.services.note_use import note_use

UNKNOWN = "a bearer token must be issued here, in force and not expired: ask an administrator for one"


class TokenBearer(HttpBearer):
    """Turns a token into the service that it stands for."""

    def authenticate(self, request: HttpRequest, token: str) -> Actor:
        """The service behind a token.

        Raises:
            AccessError: the token is unknown, revoked or expired.
        """
        return service(token)


def service(secret: str) -> Actor:
    """The service behind a token's secret.

    Raises:
        AccessError: the token is unknown, revoked or expired.
    """
    ledger = installation().ledger
    with ledger.read() as reader:
        token = token_digests.token_of(reader, sha256_hex(secret.strip().encode("utf-8", "surrogateescape")))
        subject = Subject(kind="token", id=token or "")
        if token is None or people_queries.state_of(reader, subject) == "revoked":
            raise AccessError(UNKNOWN)
        issued = queries.history(reader, subject)[0].data
    now = ledger.clock()
    if now >= parse_time(issued["expires"]):
        raise AccessError(UNKNOWN)
    note_use(token)
    return Actor(
        id=token,
        name=str(issued.get("name", token)),
        kind="service",
        scopes=frozenset(issued["scopes"]),
        method="token",
        authenticated=now,
    )


def may_read(actor: Actor) -> None:
    """Refuse a token without the scope ``read``.

    Raises:
        DeniedError: the scope is missing.
    """
    decision = can(actor, Action.READ, Anything(), at=installation().ledger.clock())
    if not decision:
        raise DeniedError(decision.text, reason_code=decision.reason_code)
