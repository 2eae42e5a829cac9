"""Ringi's web half as a Django application. It has no models: the ledger owns its tables."""

from django.apps import AppConfig

from governance.installation import NAME, Installation


class GovernanceConfig(AppConfig):
    """Holds what a process opens once."""

    name = NAME
    verbose_name = "Ringi"

    installation: Installation

    def ready(self) -> None:
        """Prepare; nothing is opened before it is asked for."""
        self.installation = Installation()
