"""Every address of the web half."""

from django.urls import include, path

from governance.views import account, errors, health, inbox, preferences

urlpatterns = [
    path("", inbox.show, name="inbox"),
    path("v1/", include("governance.gateway.urls")),
    path("", include("governance.urls.api")),
    path("healthz", health.healthz, name="healthz"),
    path("language", preferences.set_language, name="set-language"),
    path("time-zone", preferences.set_time_zone, name="set-time-zone"),
    # A mail address is who one is here: only an administrator changes it. These stand before allauth's pages.
    path("accounts/email/", account.mail_address, name="account_email"),
    # Who has two factors confirms with both: allauth's pages would take one of them.
    path("accounts/reauthenticate/", account.confirm, name="account_reauthenticate"),
    path("accounts/2fa/reauthenticate/", account.confirm, name="mfa_reauthenticate"),
    path("accounts/sign-on-again/", account.sign_on_again, name="sign-on-again"),
    path("accounts/", include("allauth.urls")),
    path("", include("governance.urls.adapters")),
    path("", include("governance.urls.approvals")),
    path("", include("governance.urls.operation")),
    path("", include("governance.urls.assurance")),
    path("", include("governance.urls.comparison")),
]

handler400 = errors.bad_request
handler403 = errors.permission_denied
handler404 = errors.page_not_found
handler500 = errors.server_error
