"""Issue and revoke service tokens: the secret is shown once, its digest is kept, the ledger has the scopes."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid4

from adapters_core.canonical import sha256_hex
from adapters_core.errors import InputError
from adapters_core.ledger import people_queries, token_digests
from adapters_core.ledger.records import Entry, time_text
from governance.policy.actions import Action
from governance.policy.actors import Actor
from governance.policy.subjects import TokenFacts
from governance.services import references
from governance.services.acting import Act, perform

PREFIX = "ringi_"
LONGEST = timedelta(days=365)


@dataclass(frozen=True, kw_only=True)
class IssuedToken:
    """A new token."""

    id: str
    secret: str
    """Shown once; only its digest is kept."""


def issue_token(
    actor: Actor, *, name: str, scopes: frozenset[str], expires: datetime, holder: str | None = None
) -> IssuedToken:
    """Issue a token.

    Args:
        actor: who issues it.
        name: what it is for.
        scopes: what it may.
        expires: when it ends.
        holder: the person who answers for it, and decides on nothing that was made with it; the issuer unless given.

    Raises:
        DeniedError: the rules refuse; nobody is known by the holder's id, for instance.
        InputError: the name is empty, or it would expire in the past or after more than a year.
    """
    if not name.strip():
        raise InputError("a token must have a name that says what it is for, got none")
    token = IssuedToken(id=str(uuid4()), secret=PREFIX + secrets.token_urlsafe(32))

    def work(act: Act) -> IssuedToken:
        answers = holder or act.actor.id
        known = people_queries.state_of(act.tx, references.person(answers)) == "active"
        act.ask(TokenFacts(scopes=scopes, holder_known=known))
        if not act.tx.now < expires <= act.tx.now + LONGEST:
            raise InputError(f"a token must expire in the future, within {LONGEST.days} days")
        data = {"name": name.strip(), "scopes": sorted(scopes), "expires": time_text(expires), "holder": answers}
        act.append("token:issued", data)
        token_digests.keep_token(act.tx, token.id, sha256_hex(token.secret.encode()))
        return token

    return perform(actor, Action.ISSUE_TOKEN, references.token(token.id), work)


def revoke_token(actor: Actor, *, token: str) -> Entry:
    """Revoke a token at once.

    Raises:
        DeniedError: the rules refuse.
    """
    subject = references.token(token)

    def work(act: Act) -> Entry:
        act.ask(TokenFacts(scopes=frozenset(), revoked=people_queries.state_of(act.tx, subject) == "revoked"))
        entry = act.append("token:revoked", {})
        token_digests.drop_token(act.tx, token)
        return entry

    return perform(actor, Action.REVOKE_TOKEN, subject, work)
