"""Who acts, from a signed-in browser to an entry of the ledger."""

from dataclasses import replace
from datetime import UTC, datetime

from allauth.account.authentication import get_authentication_records
from django.contrib.auth.models import User
from django.http import HttpRequest

from adapters_core.errors import AccessError
from adapters_core.ledger import people_queries, records
from adapters_core.ledger.people_queries import PasswordRow
from adapters_core.ledger.transactions import Reader
from governance.policy.actors import Actor, Standing
from governance.proofs import Proof, fresh_proofs, method

USED = "ringi_proof_used"


def actor_of(request: HttpRequest) -> Actor:
    """The person who is signed in, without roles: those are read where they count, in the transaction.

    Raises:
        AccessError: nobody is signed in.
    """
    if not isinstance(request.user, User):
        raise AccessError("this needs somebody who is signed in")
    proofs = get_authentication_records(request, request.user)
    signed_in = [proof for proof in proofs if not proof.get("reauthenticated")]
    renewed = fresh_proofs(request, request.user, after=request.session.get(USED, 0))
    methods = dict.fromkeys(method(proof) for proof in signed_in) or {"session": None}
    return Actor(
        id=request.user.username,
        name=request.user.first_name or request.user.email,
        kind="person",
        method=method(renewed[-1]) if renewed else "+".join(methods),
        authenticated=_moment(signed_in[-1]["at"]) if signed_in else None,
        confirmed=_moment(renewed[-1]["at"]) if renewed else None,
    )


def person_of(user: User, proof: Proof, *, at: datetime) -> Actor:
    """A person who has just proved who they are outside of a browser; this signs nothing."""
    return Actor(
        id=user.username, name=user.first_name or user.email, kind="person", method=method(proof), authenticated=at
    )


def spend_proof(request: HttpRequest) -> None:
    """A fresh proof signs one thing: what was proved until now is used up."""
    proofs = [proof["at"] for proof in get_authentication_records(request, request.user)]
    request.session[USED] = max(proofs, default=0)


def with_roles(reader: Reader, actor: Actor) -> Actor:
    """The actor with the roles that the ledger gives them at this moment."""
    if actor.kind != "person":
        return replace(actor, roles=())
    password = people_queries.password_of(reader, actor.id)
    return replace(actor, roles=_standings(reader, actor.id, password), first_password=password.first)


def standings(reader: Reader, person: str) -> tuple[Standing, ...]:
    """The roles of a person who is looked at; none while somebody else knows their password."""
    password = people_queries.password_of(reader, person)
    return () if password.first else _standings(reader, person, password)


def snapshot(actor: Actor) -> records.Actor:
    """What an entry says of who acted."""
    moment = actor.confirmed or actor.authenticated
    auth = records.Authentication(method=actor.method, time=moment) if actor.method and moment else None
    roles = tuple(standing.name for standing in actor.roles)
    return records.Actor(id=actor.id, name=actor.name, kind=actor.kind, roles=roles, auth=auth)


def _standings(reader: Reader, person: str, password: PasswordRow) -> tuple[Standing, ...]:
    """What was done under a role before the person had a password of their own may have been somebody else."""
    held, own = people_queries.roles_of(reader, person), password.own_since
    return tuple(Standing(name=row.role, since=max(row.since, own) if own else row.since) for row in held)


def _moment(seconds: object) -> datetime:
    return datetime.fromtimestamp(float(str(seconds)), UTC)
