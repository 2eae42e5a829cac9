"""Addresses of the pages about contexts and adapters."""

from django.urls import URLPattern, URLResolver, path

from governance.views import context_actions, contexts

urlpatterns: list[URLPattern | URLResolver] = [
    path("contexts/", contexts.show_all, name="contexts"),
    path("contexts/new", contexts.submit, name="context-new"),
    path("contexts/<uuid:context>", contexts.show, name="context"),
    path("contexts/<uuid:context>/generate", context_actions.make_adapter, name="context-generate"),
    path("contexts/<uuid:context>/hold", context_actions.hold, name="context-hold"),
    path("contexts/<uuid:context>/release", context_actions.release, name="context-release"),
    path("contexts/<uuid:context>/erase", context_actions.erase, name="context-erase"),
]
