"""One line a request, with no text of prompts, contexts or answers; request ids; the last net under failures."""

import json
import logging
import re
import time
import traceback
import uuid
from datetime import UTC, datetime

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from adapters_core.service.metrics import Metrics
from adapters_core.service.problems import Problem
from adapters_core.service.sending import send_problem

LOGGER = "ringi.service"
_SAFE_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_log = logging.getLogger(LOGGER)


class Journal:
    """Wraps the whole app."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        """Watch an app."""
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request and write it down."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        request_id = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        status, sent = 0, 0

        async def watched(message: Message) -> None:
            nonlocal status, sent
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message["headers"], (b"x-request-id", request_id.encode())]}
            sent += len(message.get("body", b""))
            await send(message)

        self._metrics.running.inc()
        try:
            await self._app(scope, receive, watched)
        except Exception as error:  # noqa: BLE001  # the last net: nothing below may reach the caller or the log as text
            self._report(error, request_id)
            if not status:
                await send_problem(Problem.unexpected(), scope, watched)
        finally:
            self._metrics.running.dec()
            self._write(scope, request_id, status, sent, time.perf_counter() - started)

    def _write(self, scope: Scope, request_id: str, status: int, sent: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "unmatched")
        self._metrics.requests.labels(scope["method"], route, str(status)).inc()
        self._metrics.seconds.labels(route).observe(seconds)
        problem = scope["state"].get("problem")
        if problem:
            self._metrics.refused.labels(problem).inc()
        fields = {
            "request_id": request_id,
            "method": scope["method"],
            "route": route,
            "status": status,
            "problem": problem,
            "bytes": sent,
            "seconds": round(seconds, 4),
        }
        _log.info("request", extra={"fields": fields})

    def _report(self, error: Exception, request_id: str) -> None:
        # places only: the message of a foreign error may hold what a caller sent
        places = [
            f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)
        ]
        fields = {"request_id": request_id, "error": type(error).__name__, "places": places[-12:]}
        _log.error("failure", extra={"fields": fields})


class JsonLines(logging.Formatter):
    """Log records as JSON, one a line."""

    def format(self, record: logging.LogRecord) -> str:
        """One record."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        return json.dumps({name: value for name, value in line.items() if value is not None}, ensure_ascii=False)


def _request_id(scope: Scope) -> str:
    given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
    return given.decode() if _SAFE_ID.fullmatch(given) else uuid.uuid4().hex
