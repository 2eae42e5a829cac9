"""How values look on a page: digests, times, sizes."""

from datetime import datetime

from django import template
from django.utils import timezone
from django.utils.formats import localize
from django.utils.html import format_html
from django.utils.safestring import SafeString

from governance.policy.system_words import spoken
from governance.policy.words import ACTION_NAMES, EVENT_NAMES, MEANING_NAMES, ROLE_NAMES, STATE_NAMES

register = template.Library()
SHORT = 12


@register.filter
def short(digest: str | None) -> str:
    """The first characters of a digest: enough to tell two apart by eye."""
    return (digest or "")[:SHORT]


@register.filter
def digest(value: str | None) -> SafeString | str:
    """A digest in short, the whole of it on hover and for copying."""
    if not value:
        return "–"
    return format_html('<code class="digest" title="{}">{}</code>', value, value[:SHORT])


@register.filter
def moment(value: datetime | str | None) -> SafeString | str:
    """A time in the viewer's zone, with the zone's name and the exact instant for machines.

    What a template does not find comes as an empty text: a dash, as is what was not measured.
    """
    if not isinstance(value, datetime):
        return "–"
    local = timezone.localtime(value)
    return format_html(
        '<time datetime="{}">{} <span class="zone">{}</span></time>',
        value.isoformat(),
        local.strftime("%Y-%m-%d %H:%M:%S"),
        local.tzname() or "",
    )


@register.filter
def share(value: float | str | None) -> str:
    """A part of one as a percentage; what was not measured is a dash (a template hands in "" where there is none)."""
    return f"{localize(round(100 * value, 1))}%" if isinstance(value, int | float) else "–"


@register.filter
def figure(value: float | str | None) -> str:
    """A measured number with four significant digits; what was not measured is a dash, apart from zero."""
    return f"{value:.4g}" if isinstance(value, int | float) else "–"


@register.filter
def role_name(role: str) -> str:
    """The name of a role in the person's language."""
    return str(ROLE_NAMES.get(role, role))


@register.filter
def state_name(state: str) -> str:
    """The name of a state in the person's language."""
    return str(STATE_NAMES.get(state, state))


@register.filter
def action_name(action: str) -> str:
    """The name of an action in the person's language."""
    return str(ACTION_NAMES.get(action, action))


@register.filter
def said(text: str, field: str) -> str:
    """What a field of an entry says, in the person's language where the system wrote it."""
    return spoken(field, text)


@register.filter
def meaning_name(meaning: str) -> str:
    """What a signature means, in the person's language."""
    return str(MEANING_NAMES.get(meaning, meaning))


@register.filter
def event_name(event: str) -> str:
    """What an entry of the ledger tells, in the person's language."""
    return str(EVENT_NAMES.get(event, event))
