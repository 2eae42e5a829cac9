"""Subjects of the ledger by their kind."""

from adapters_core.ledger.records import Subject


def adapter(digest: str) -> Subject:
    """An adapter."""
    return Subject(kind="adapter", id=digest)


def context(identifier: str) -> Subject:
    """A context."""
    return Subject(kind="context", id=identifier)


def request(identifier: str) -> Subject:
    """A request for approval."""
    return Subject(kind="request", id=identifier)


def slot(name: str) -> Subject:
    """A slot."""
    return Subject(kind="slot", id=name)


def deployment(identifier: str) -> Subject:
    """A deployment."""
    return Subject(kind="deployment", id=identifier)


def person(identifier: str) -> Subject:
    """A person."""
    return Subject(kind="person", id=identifier)


def policy(name: str) -> Subject:
    """An approval policy."""
    return Subject(kind="policy", id=name)


def delegation(identifier: str) -> Subject:
    """A delegation."""
    return Subject(kind="delegation", id=identifier)


def token(identifier: str) -> Subject:
    """A service token."""
    return Subject(kind="token", id=identifier)


def job(identifier: str) -> Subject:
    """A job."""
    return Subject(kind="job", id=identifier)


def incident(identifier: str) -> Subject:
    """An incident."""
    return Subject(kind="incident", id=identifier)
