"""Answers from below the routes, where there is only ASGI."""

from starlette.types import Message, Scope, Send

from adapters_core.service.problems import Problem


def request_id_of(scope: Scope) -> str | None:
    """The request's id, once the journal has given it one."""
    found = scope.get("state", {}).get("request_id")
    return found if isinstance(found, str) else None


async def send_problem(problem: Problem, scope: Scope, send: Send) -> None:
    """Answer a request with a problem."""
    scope.setdefault("state", {})["problem"] = problem.code
    status, headers, body = problem.answer(scope["path"], request_id_of(scope))
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    start: Message = {
        "type": "http.response.start",
        "status": status,
        "headers": [*raw, (b"content-length", str(len(body)).encode())],
    }
    await send(start)
    await send({"type": "http.response.body", "body": body})
