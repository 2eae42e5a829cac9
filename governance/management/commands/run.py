"""The whole product on one machine: the core, the web process and a worker, until Ctrl-C."""

import signal
import sys
from argparse import ArgumentParser
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management import BaseCommand, CommandError, call_command

from governance.artifacts import serving_folder
from governance.installation import key_path
from governance.supervision import Child, Supervisor

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class Command(BaseCommand):
    help = "Start web, worker and core, and stop them together. With RINGI_DEBUG=1 it fills an empty installation."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """What to leave out."""
        parser.add_argument("--no-core", action="store_true", help="a core runs elsewhere: RINGI_CORE_URL")
        parser.add_argument("--no-demo", action="store_true", help="no demonstration in an empty installation")
        parser.add_argument("--workers", type=int, default=1, help="worker processes")
        parser.add_argument("--threads", type=int, default=None, help="CPU threads of the core (all cores)")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ANN401  Django's signature
        """Start, supervise, stop."""
        demo = settings.DEBUG and not options["no_demo"]
        call_command("setup", demo=demo, stdout=self.stdout)
        children = [*([] if options["no_core"] else [self._core(options["threads"])]), self._web()]
        children += [self._command("worker", f"worker {n}") for n in range(1, options["workers"] + 1)]
        if demo:
            children.append(self._command("first_run", "first run", ends=True))
        logs: Path = settings.VAR / "log"
        supervisor = Supervisor(children, logs=logs, say=self._say)

        def stop(_number: int, _frame: FrameType | None) -> None:
            raise KeyboardInterrupt

        signal.signal(signal.SIGTERM, stop)
        self._say(f"starting {', '.join(child.name for child in children)}; their output: {logs}")
        try:
            supervisor.start()
            self._say(f"Ringi is at {settings.ADDRESS}   (Ctrl-C stops it; everything is kept in {settings.VAR})")
            supervisor.watch()
        except KeyboardInterrupt:
            self._say("stopping: what is under way is finished or comes again at the next start")
        finally:
            supervisor.stop()
        self._say("stopped")

    def _core(self, threads: int | None) -> Child:
        where = urlsplit(settings.CORE_URL)
        if where.hostname not in LOOPBACK:
            raise CommandError(f"RINGI_CORE_URL names another machine ({where.hostname}): start with --no-core")
        serving_folder().mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "adapters_core", "serve", "--host", str(where.hostname)]
        command += ["--port", str(where.port or 80), "--store", str(settings.VAR / "core")]
        command += ["--adapters", str(serving_folder()), *(["--threads", str(threads)] if threads else [])]
        given = {"RINGI_TOKEN": settings.CORE_TOKEN} if settings.CORE_TOKEN else {}
        token = given or {"RINGI_TOKEN_FILE": str(key_path("core.token"))}
        return Child(name="core", command=command, environment=token, ready=f"{settings.CORE_URL}/ready")

    def _web(self) -> Child:
        where = urlsplit(settings.ADDRESS)
        command = [sys.executable, "-m", "uvicorn", "governance.asgi:application", "--no-access-log"]
        command += [
            "--host",
            str(where.hostname or "127.0.0.1"),
            "--port",
            str(where.port or 8000),
            "--lifespan",
            "off",
        ]
        command += ["--timeout-graceful-shutdown", "5"]
        return Child(name="web", command=command, ready=f"{settings.ADDRESS}/healthz", wait=True)

    def _command(self, name: str, title: str, *, ends: bool = False) -> Child:
        return Child(name=title, command=[sys.executable, str(settings.BASE_DIR / "manage.py"), name], ends=ends)

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()
