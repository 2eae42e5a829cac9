"""How a refusal is said on the page that asked."""

from django.forms import Form
from django.utils.translation import gettext as _

from adapters_core.errors import DeniedError, IllegalTransitionError, RingiError, StaleError

FORBIDDEN, CONFLICT, BAD = 403, 409, 400
CHANGED = frozenset(
    {"stale_page", "in_progress", "already_serving", "not_open", "already_decided", "changed_since", "request_expired"}
)
"""Reasons that lie in what happened meanwhile, not in who asks."""


def said(error: RingiError) -> tuple[str, int]:
    """The sentence for the person, and the status of the answer."""
    if isinstance(error, DeniedError):
        return str(error), CONFLICT if error.reason_code in CHANGED else FORBIDDEN
    if isinstance(error, StaleError):
        return _("This has changed since you opened the page. Look at it again, and decide again."), CONFLICT
    if isinstance(error, IllegalTransitionError):
        return _("It is no longer in a state in which this can be done. Look at it again."), CONFLICT
    return str(error), BAD


def of_reason(form: Form, missing: str) -> str:
    """What is wrong with a reason: it is missing, or what the form says."""
    return missing if form.has_error("reason", "required") else str(form.errors["reason"][0])


def sent_before() -> tuple[str, int]:
    """For a form that was sent already."""
    return _("This form was sent already: nothing was done a second time. Open the page again."), CONFLICT
