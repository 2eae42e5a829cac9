"""Errors as answers: problem+json (RFC 9457), and the OpenAI interface's own form on its paths.

The ``code`` of an error is stable and decides its status; clients turn it back into the same class.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from adapters_core.errors import RingiError

PROBLEM_TYPE = "application/problem+json"
OPENAI_PATHS = frozenset(
    {
        "/v1/models",
        "/v1/completions",
        "/v1/chat/completions",
        "/v1/load_lora_adapter",
        "/v1/unload_lora_adapter",
    }
)
RETRY_SECONDS = 1
STATUS: Mapping[str, tuple[int, str]] = {
    "invalid_input": (400, "The request cannot be used"),
    "invalid_context": (422, "The context cannot be used"),
    "invalid_config": (422, "A value is out of its bounds"),
    "unsupported_model": (422, "The base model is not supported"),
    "unknown_site": (422, "The base has no such module"),
    "mismatch": (409, "Two things do not belong together"),
    "unknown_adapter": (404, "No such adapter"),
    "unknown_chunk": (404, "No such chunk"),
    "unauthorized": (401, "A bearer token is needed"),
    "too_large": (413, "The request is too large"),
    "unsafe_adapter": (422, "The gate refused the adapter"),
    "busy": (429, "No free capacity"),
    "unavailable": (503, "The service is not available now"),
    "integrity": (500, "Stored bytes are damaged"),
    "numerical": (500, "Numbers ran out of their range"),
    "storage": (507, "The store could not be read or written"),
    "engine": (500, "The engine failed"),
    "error": (500, "The request failed"),
}
"""Status and title by code."""
BY_STATUS: Mapping[int, str] = {404: "not_found", 405: "not_allowed"}
"""Codes of answers that no error of the core stands behind."""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One error as it is answered."""

    status: int
    code: str
    title: str
    detail: str
    errors: Sequence[Mapping[str, object]] = ()
    """Fields that are wrong, where it is about fields."""
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, error: RingiError) -> "Problem":
        """The problem that an error of the core is."""
        status, title = STATUS[error.code]
        return cls(status=status, code=error.code, title=title, detail=str(error))

    @classmethod
    def unexpected(cls) -> "Problem":
        """A failure that nobody foresaw; its message stays inside, for it may hold text of a prompt."""
        detail = "the service failed in a way it does not know: its log has the place, by request_id"
        return cls(status=500, code="error", title=STATUS["error"][1], detail=detail)

    def answer(self, path: str, request_id: str | None) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body for a request on a path."""
        openai = path in OPENAI_PATHS
        status = 400 if openai and self.status == 422 else self.status  # noqa: PLR2004  # OpenAI has no 422
        headers = {"content-type": "application/json" if openai else PROBLEM_TYPE, **self.headers}
        if status in (429, 503):
            headers["retry-after"] = str(RETRY_SECONDS)
        if status == 401:  # noqa: PLR2004
            headers["www-authenticate"] = "Bearer"
        body = self._as_openai(status) if openai else self._as_problem(status, request_id)
        return status, headers, json.dumps(body, ensure_ascii=False).encode()

    def to_json(self, request_id: str | None) -> dict[str, object]:
        """As a problem+json object."""
        return self._as_problem(self.status, request_id)

    def _as_problem(self, status: int, request_id: str | None) -> dict[str, object]:
        body: dict[str, object] = {
            "type": f"urn:ringi:problem:{self.code}",
            "title": self.title,
            "status": status,
            "detail": self.detail,
            "code": self.code,
        }
        if self.errors:
            body["errors"] = list(self.errors)
        if request_id:
            body["request_id"] = request_id
        return body

    def _as_openai(self, status: int) -> dict[str, object]:
        kind = {401: "authentication_error", 429: "rate_limit_error"}.get(
            status,
            "invalid_request_error" if status < 500 else "server_error",  # noqa: PLR2004
        )
        param = (self.errors[0].get("field") if self.errors else None) or None
        code = "model_not_found" if self.code == "unknown_adapter" else self.code
        return {"error": {"message": self.detail, "type": kind, "param": param, "code": code}}
