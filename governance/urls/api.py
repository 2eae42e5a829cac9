"""Addresses of the REST API."""

from django.urls import URLPattern, URLResolver, include, path

from governance.api.routes import addresses

urlpatterns: list[URLPattern | URLResolver] = [path("api/v1/", include((addresses(), "ninja"), namespace="api"))]
