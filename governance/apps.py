"""Ringi's web half as a Django application. It has no models: the ledger owns its tables."""

from django.apps import AppConfig


class GovernanceConfig(AppConfig):
    """Names the application."""

    name = "governance"
    verbose_name = "Ringi"
