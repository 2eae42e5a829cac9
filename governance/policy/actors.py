"""Who acts, as the rules see them: what the ledger says of them, and how freshly they proved who they are."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Role = Literal["engineer", "reviewer", "manager", "admin", "auditor"]
ROLES: tuple[Role, ...] = ("engineer", "reviewer", "manager", "admin", "auditor")
SCOPES = ("generate", "evaluate", "read", "infer")
"""What a service token may be allowed; ``infer``: ask what slots serve, through the gateway."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """One role of a person."""

    name: str
    since: datetime
    """When the ledger recorded the grant; where the person set a password of their own later than that, then."""


@dataclass(frozen=True, kw_only=True)
class Actor:
    """A person, a service token, or this system.

    There is no field for a superuser: nobody stands outside the rules.
    """

    id: str
    name: str
    kind: Literal["person", "service", "system"]
    roles: tuple[Standing, ...] = ()
    first_password: bool = False
    """Whether they still have the password that somebody else was shown: then they may do nothing."""
    scopes: frozenset[str] = frozenset()
    """Of a service token that is valid now."""
    method: str | None = None
    """How they proved who they are."""
    authenticated: datetime | None = None
    """When they signed in."""
    confirmed: datetime | None = None
    """When they last proved it again for one signature; a proof is used once."""

    def holds(self, role: str) -> bool:
        """Whether the ledger gave them this role."""
        return any(standing.name == role for standing in self.roles)

    def since(self, role: str) -> datetime | None:
        """Since when they hold it."""
        return next((standing.since for standing in self.roles if standing.name == role), None)
