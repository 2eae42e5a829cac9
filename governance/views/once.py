"""A form is carried out once: what it bears can be used a single time, by the person it was shown to."""

from uuid import uuid4

from django.core import signing
from django.core.cache import cache
from django.http import HttpRequest

from governance.policy.actions import Action
from governance.policy.rules import who
from governance.views.reading import reading

SALT = "ringi.once"
KEPT = 24 * 3600
"""Seconds for which a form can be sent, and its number is remembered."""
FIELD = "form_number"


def number(request: HttpRequest) -> str:
    """A number for a form that is about to be shown."""
    return signing.dumps([str(request.user.pk), uuid4().hex], salt=SALT)


def first_time(request: HttpRequest) -> bool:
    """Whether the form that was sent is one of ours, shown to this person, and not sent before."""
    try:
        person, one = signing.loads(request.POST.get(FIELD, ""), salt=SALT, max_age=KEPT)
    except (signing.BadSignature, ValueError, TypeError):
        return False
    return person == str(request.user.pk) and cache.add(f"once:{one}", "sent", KEPT)


def repeated(request: HttpRequest, action: Action) -> bool:
    """Whether to refuse a form as sent before; whoever may not act at all is left to the rules, which record it."""
    with reading(request) as sight:
        may = who(sight.actor, action) is None
    return may and not first_time(request)
