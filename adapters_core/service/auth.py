"""Who may call: everyone who bears the token."""

import hashlib
import hmac

from starlette.types import ASGIApp, Receive, Scope, Send

from adapters_core.errors import AccessError
from adapters_core.service.problems import Problem
from adapters_core.service.sending import send_problem

OPEN_PATHS = frozenset({"/health", "/ready"})
"""What load balancers ask, without a token."""


class BearerAuth:
    """Lets requests through that bear the token."""

    def __init__(self, app: ASGIApp, token: str | None) -> None:
        """Guard an app; without a token everyone may call (see :func:`settings.require_safe_binding`)."""
        self._app = app
        self._digest = None if token is None else _digest(token)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through or answer 401."""
        if scope["type"] != "http" or scope["path"] in OPEN_PATHS or self._admits(scope):
            await self._app(scope, receive, send)
            return
        error = AccessError("send the service's token: 'Authorization: Bearer <token>'")
        await send_problem(Problem.of(error), scope, send)

    def _admits(self, scope: Scope) -> bool:
        if self._digest is None:
            return True
        given = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        scheme, _, token = given.decode("latin-1").partition(" ")
        # digests of equal length, compared in constant time: neither length nor content can be measured
        return hmac.compare_digest(_digest(token.strip()), self._digest) and scheme.lower() == "bearer"


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("latin-1", "replace")).digest()
