"""Addresses of the pages about operation."""

from django.urls import URLPattern, URLResolver, path

from governance.views import deployments, incidents, moments, placements, playground, slots

urlpatterns: list[URLPattern | URLResolver] = [
    path("slots/", slots.listed, name="slots"),
    path("slots/new/", slots.create, name="slot-new"),
    path("slots/<slug:name>/", slots.show, name="slot"),
    path("slots/<slug:name>/<slug:kind>/", placements.place, name="place"),
    path("deployments/<slug:identifier>/", deployments.show, name="deployment"),
    path("incidents/", incidents.listed, name="incidents"),
    path("incidents/<slug:identifier>/", incidents.show, name="incident"),
    path("at", moments.at, name="at"),
    path("playground/", playground.show, name="playground"),
]
