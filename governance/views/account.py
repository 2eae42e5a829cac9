"""Pages of one's own account that differ from allauth's."""

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse

from governance.views import errors


def mail_address(request: HttpRequest) -> HttpResponse:
    """403: the address is the identity towards the ledger, and an administrator keeps it."""
    return errors.permission_denied(request, PermissionDenied())
