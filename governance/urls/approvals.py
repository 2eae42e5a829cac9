"""Addresses of the pages about approvals."""

from django.urls import URLPattern, URLResolver, path

from governance.views import decisions, delegations, requests

urlpatterns: list[URLPattern | URLResolver] = [
    path("requests/", requests.listed, name="requests"),
    path("requests/<slug:identifier>/", requests.show, name="request"),
    path("requests/<slug:identifier>/decide/", decisions.decide, name="decide"),
    path("requests/<slug:identifier>/sheet/", requests.sheet, name="sheet"),
    path("requests/<slug:identifier>/comment/", requests.say, name="request-comment"),
    path("requests/<slug:identifier>/withdraw/", requests.take_back, name="request-withdraw"),
    path("delegations/", delegations.listed, name="delegations"),
    path("delegations/<slug:identifier>/end/", delegations.end, name="delegation-end"),
]
