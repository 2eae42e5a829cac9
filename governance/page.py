"""What every page shows around its content: where one is, where one can go, who one is."""

from dataclasses import dataclass

from django.conf import settings
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from adapters_core.errors import RingiError
from governance import zones
from governance.actors import actor_of, with_roles
from governance.installation import installation
from governance.policy.actions import ANY_ROLE
from governance.policy.actors import Actor


@dataclass(frozen=True, kw_only=True)
class Place:
    """One entry of the navigation."""

    label: str | Promise
    address: str
    here: bool


@dataclass(frozen=True, kw_only=True)
class Section:
    """Entries of the navigation that belong together."""

    label: str | Promise
    places: tuple[Place, ...]


# Names of pages that this installation does not have are left out.
SECTIONS = (
    (
        _("Work"),
        (
            ("inbox", _("Inbox")),
            ("requests", _("Requests")),
            ("adapters", _("Adapters")),
            ("contexts", _("Contexts")),
            ("compare", _("Compare")),
        ),
    ),
    (
        _("Operation"),
        (
            ("slots", _("Slots and deployments")),
            ("incidents", _("Incidents")),
            ("at", _("Point in time")),
            ("playground", _("Playground")),
            ("jobs", _("Jobs")),
        ),
    ),
    (
        _("Assurance"),
        (
            ("audit", _("Audit log")),
            ("policies", _("Approval policies")),
            ("people", _("People and roles")),
            ("tokens", _("Service tokens")),
        ),
    ),
)


READERS = {"tokens": frozenset({"admin", "auditor"})}
"""Whom a page is for, where it is not for everybody with a role."""


def page(request: HttpRequest) -> dict[str, object]:
    """The context processor of every template."""
    signed_in = bool(getattr(request, "user", None) and request.user.is_authenticated)
    actor = _actor(request) if signed_in else None
    first = actor is not None and actor.first_password
    return {
        "sections": navigation(request.path, _roles(actor)) if signed_in and not first else (),
        "actor": actor,
        "languages": settings.LANGUAGES,
        "time_zones": zones.OFFERED,
        "time_zone": timezone.get_current_timezone_name(),
        "demo": settings.DEBUG,
    }


def _actor(request: HttpRequest) -> Actor | None:
    """Who is signed in, with their roles; None where the ledger cannot say, for the page that tells of that too."""
    actor = actor_of(request)
    try:
        with installation().ledger.read() as reader:
            return with_roles(reader, actor)
    except RingiError:
        return None


def navigation(path: str, roles: frozenset[str] | None) -> tuple[Section, ...]:
    """The pages that somebody with these roles may read, with the one marked that the path lies under.

    Roles of None are not known: then nothing is left out, and each page decides.
    """
    found = {
        name: address
        for _label, names in SECTIONS
        for name, _text in names
        if (address := _address(name)) and _open_to(name, roles)
    }
    under = [address for address in found.values() if path == address or (address != "/" and path.startswith(address))]
    here = max(under, key=len, default="")
    sections = (
        Section(
            label=label,
            places=tuple(
                Place(label=text, address=found[name], here=found[name] == here)
                for name, text in names
                if name in found
            ),
        )
        for label, names in SECTIONS
    )
    return tuple(section for section in sections if section.places)


def _open_to(name: str, roles: frozenset[str] | None) -> bool:
    return roles is None or bool(roles & READERS.get(name, ANY_ROLE)) or name == "inbox"


def _roles(actor: Actor | None) -> frozenset[str] | None:
    return frozenset(standing.name for standing in actor.roles) if actor else None


def _address(name: str) -> str:
    try:
        return reverse(name)
    except NoReverseMatch:
        return ""
