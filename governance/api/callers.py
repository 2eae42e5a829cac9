"""Who calls the API: a bearer token that the ledger issued, that is in force and has not expired.

What a slot serves is changed by people only. They may do it here as on the command line, with their address, password
and one-time code: from a terminal, when the pages are out of reach. Cookies count for nothing, and no browser is asked
for a password (the answer never says ``WWW-Authenticate: Basic``), so another site cannot act in anybody's name.
"""

from allauth.account.adapter import get_adapter
from allauth.core.internal import ratelimit
from allauth.core.internal.ratelimit import RateLimitUsage
from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from ninja.security import HttpBasicAuth, HttpBearer

from adapters_core.canonical import sha256_hex
from adapters_core.errors import AccessError, DeniedError
from adapters_core.ledger import people_queries, queries, token_digests
from adapters_core.ledger.records import Subject, parse_time
from governance.actors import person_of, with_roles
from governance.installation import installation
from governance.policy.actions import Action
from governance.policy.actors import Actor
from governance.policy.rules import can
from governance.policy.subjects import Anything
from governance.proofs import means_of, needs_code, take_code
from governance.services.note_use import note_use

CODE_HEADER = "X-Ringi-Code"
NOBODY = "address and password must be those of an account, with the current one-time code where it has an app for them"
TOO_OFTEN = "there were too many wrong attempts: wait fifteen minutes, then try again"
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


class PersonBasic(HttpBasicAuth):
    """Turns an address and a password, with a one-time code where the person has an app for them, into that person.

    Whoever has only a passkey besides, or nothing where a second factor is asked for, is turned away.
    """

    def authenticate(self, request: HttpRequest, username: str, password: str) -> Actor:
        """The person.

        Raises:
            AccessError: something of it is wrong, or was wrong too often, or they have a second factor that cannot be
                given here.
        """
        return _person(request, username, password, request.headers.get(CODE_HEADER, "").strip())


ANYBODY = [TokenBearer(), PersonBasic()]
"""Of operations that people may call as well."""


def _person(request: HttpRequest, email: str, password: str, code: str) -> Actor:
    if "\0" in email + password:
        raise AccessError(NOBODY)
    # Counted with the attempts on the page where people sign in.
    key = get_adapter(request)._get_login_attempts_cache_key(request, email=email)  # noqa: SLF001
    tried = _count(request, "login_failed", key=key)
    user = authenticate(request, email=email, password=password)
    if not isinstance(user, User):
        raise AccessError(NOBODY)
    tried.rollback()
    proof: dict[str, object] = {"method": "password"}
    if needs_code(means_of(user)):
        tried = _count(request, "reauthenticate", user=user)
        kind = take_code(user, code)
        if kind is None:
            raise AccessError(NOBODY)
        tried.rollback()
        proof = {"type": kind, "with_password": True}
    return person_of(user, proof, at=installation().ledger.clock())


def _count(request: HttpRequest, action: str, **by: object) -> RateLimitUsage:
    """Count an attempt, whatever the method: allauth's pages do not count what is asked with GET."""
    try:
        counted = ratelimit.consume(request, app="allauth.account", action=action, limit_get=True, **by)
    except PermissionDenied as error:  # from nowhere: what cannot be counted is not tried
        raise AccessError(NOBODY) from error
    if not counted:
        raise AccessError(TOO_OFTEN)
    return counted


def may_read(actor: Actor) -> None:
    """Refuse a token without the scope ``read``, and a person without a role.

    Raises:
        DeniedError: it is missing.
    """
    if actor.kind == "person":
        with installation().ledger.read() as reader:
            actor = with_roles(reader, actor)
    decision = can(actor, Action.READ, Anything(), at=installation().ledger.clock())
    if not decision:
        raise DeniedError(decision.text, reason_code=decision.reason_code)
