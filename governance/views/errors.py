"""Pages for what went wrong: what happened, that nothing was changed, what to do next."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template import loader
from django.utils.translation import gettext as _

from adapters_core.errors import RingiError


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """400: what was sent cannot be used."""
    title, text = (
        _("This request could not be used"),
        _("Nothing was changed. Go back, check what you entered, and send it again."),
    )
    return _page(request, 400, title, text, _said(exception))


def permission_denied(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """403: this person may not do that."""
    title = _("You may not do this")
    if _recorded(exception):
        text = _(
            "Nothing was changed, and the attempt was recorded. If your duties have changed, ask an administrator for the role."
        )
    else:
        text = _("Nothing was changed. If your duties have changed, ask an administrator for the role.")
    return _page(request, 403, title, text, _said(exception))


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403: the form did not come from a page of ours, or its cookie is missing."""
    title = _("This form has expired")
    text = _(
        "Nothing was changed. The form was open for too long, or your browser does not keep cookies. Open the page again and send the form once more; cookies must be allowed for this site."
    )
    return _page(request, 403, title, text, "")


def page_not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """404: there is no such page."""
    title = _("There is no such page")
    text = _(
        "The address may be mistyped, or the thing it names was never recorded. Nothing in the ledger is ever deleted: search for its digest."
    )
    return _page(request, 404, title, text, "")


def gone(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """410: the text was erased."""
    title = _("This text was erased")
    text = _(
        "Its record stays in the ledger: who erased it, when, and on what legal basis. The text itself is gone for good."
    )
    return _page(request, 410, title, text, "")


def conflict(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """409: it has changed since the person looked at it."""
    title = _("This has changed in the meantime")
    if _recorded(exception):
        text = _(
            "Nothing was changed, and the attempt was recorded. Go back, reload the page, look at what holds now, and decide again."
        )
    else:
        text = _("Nothing was changed. Go back, reload the page, look at what holds now, and decide again.")
    return _page(request, 409, title, text, _said(exception))


def unavailable(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """503: a part of the system is busy or down."""
    title, text = (
        _("Please try again in a moment"),
        _("A part of the system is busy or not running. Nothing was changed."),
    )
    return _page(request, 503, title, text, _said(exception))


def server_error(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """500: our mistake."""
    title = _("Something went wrong on our side")
    text = _(
        "The change was not recorded. Please try again; if it happens again, tell your administrator the time and this address."
    )
    try:
        return _page(request, 500, title, text, _said(exception))
    except Exception:  # noqa: BLE001  the page must not fail with what it reports: the database may be what is down
        bare = loader.get_template("bare_error.html").render({"title": title, "text": text})
        return HttpResponse(bare, status=500)


def _recorded(exception: Exception | None) -> bool:
    """Looking at what one may not see leaves no entry; trying to change it does."""
    return isinstance(exception, RingiError) and exception.recorded


def _said(exception: Exception | None) -> str:
    """The message of an error of ours; messages of others may hold what is nobody's business."""
    return str(exception) if isinstance(exception, RingiError) else ""


def _page(request: HttpRequest, status: int, title: str, text: str, detail: str) -> HttpResponse:
    context = {"title": title, "text": text, "detail": detail, "status": status}
    return render(request, "error.html", context, status=status)
