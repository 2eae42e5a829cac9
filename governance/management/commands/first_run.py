"""Fill an empty installation with the examples: the demonstration that `manage.py run` starts in the background."""

from typing import Any

from django.conf import settings
from django.core.management import BaseCommand, CommandError

from adapters_core.errors import RingiError
from governance.demonstration.story import tell


class Command(BaseCommand):
    help = "Load the example contexts and bring their adapters to every state. Goes on where it was stopped."

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ANN401  Django's signature
        """Tell the story."""
        if not settings.DEBUG:
            raise CommandError("a demonstration is for RINGI_DEBUG=1 only: its people are not real")
        try:
            tell(self._say)
        except RingiError as error:
            raise CommandError(str(error)) from error

    def _say(self, text: str) -> None:
        self.stdout.write(f"» {text}")
        self.stdout.flush()
