"""Addresses of the pages about contexts and adapters."""

from django.urls import URLPattern, URLResolver, path

from governance.views import adapter_actions, adapters, context_actions, contexts

urlpatterns: list[URLPattern | URLResolver] = [
    path("contexts/", contexts.show_all, name="contexts"),
    path("contexts/new", contexts.submit, name="context-new"),
    path("contexts/<uuid:context>", contexts.show, name="context"),
    path("contexts/<uuid:context>/generate", context_actions.make_adapter, name="context-generate"),
    path("contexts/<uuid:context>/hold", context_actions.hold, name="context-hold"),
    path("contexts/<uuid:context>/release", context_actions.release, name="context-release"),
    path("contexts/<uuid:context>/erase", context_actions.erase, name="context-erase"),
    path("adapters/", adapters.show_all, name="adapters"),
    path("adapters/<slug:digest>/", adapters.show, name="adapter"),
    path("adapters/<slug:digest>/norms.svg", adapters.norms, name="adapter-norms"),
    path("adapters/<slug:digest>/evaluate", adapter_actions.evaluate, name="adapter-evaluate"),
    path("adapters/<slug:digest>/extend", adapter_actions.extend, name="adapter-extend"),
    path("adapters/<slug:digest>/erase", adapter_actions.erase, name="adapter-erase"),
    path("adapters/<slug:digest>/retire", adapter_actions.retire, name="adapter-retire"),
    path("adapters/<slug:digest>/request", adapter_actions.ask, name="adapter-request"),
]
