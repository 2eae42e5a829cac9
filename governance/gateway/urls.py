"""Addresses of the gateway."""

from django.urls import path

from governance.gateway.views import ChatCompletions, Completions, Models

urlpatterns = [
    path("chat/completions", ChatCompletions.as_view(), name="gateway-chat"),
    path("completions", Completions.as_view(), name="gateway-completions"),
    path("models", Models.as_view(), name="gateway-models"),
]
