"""Run one worker: jobs, deployments, notices, MLflow, the reconciler. Start as many as you like."""

import signal
from argparse import ArgumentParser
from types import FrameType
from typing import Any

from django.core.management import BaseCommand, CommandError

from adapters_core.errors import RingiError
from governance.worker.loops import RECONCILE_SECONDS, Worker
from governance.worker.opening import open_workplace


class Command(BaseCommand):
    help = "Do jobs and deliver messages until stopped (Ctrl-C, SIGTERM). What is killed midway, another worker does."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """How it is called, and how often it compares."""
        parser.add_argument("--name", help="tells workers apart in jobs and messages")
        parser.add_argument("--reconcile-seconds", type=float, default=RECONCILE_SECONDS)

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ANN401  Django's signature
        """Work."""
        try:
            at = open_workplace(options["name"])
        except RingiError as error:
            raise CommandError(f"{error} (python manage.py setup)") from error
        worker = Worker(at, reconcile_seconds=options["reconcile_seconds"])

        def stop(_number: int, _frame: FrameType | None) -> None:
            raise KeyboardInterrupt

        signal.signal(signal.SIGTERM, stop)
        worker.start()
        self.stdout.write(f"worker {at.name} is at work")
        try:
            worker.wait()
        except KeyboardInterrupt:
            self.stdout.write(f"worker {at.name} finishes what it does now")
        finally:
            worker.stop()
