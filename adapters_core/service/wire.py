"""What the service sends, as the client reads it: events, problems, and the errors that problems were."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import httpx

from adapters_core.errors import EngineError, RingiError


def read_events(answer: httpx.Response) -> Iterator[tuple[str | None, Any]]:
    """Server-sent events as (name, data): data as JSON, or as text where it is none. Comments are passed over."""
    name: str | None = None
    data: list[str] = []
    for line in answer.iter_lines():
        field, _, value = line.partition(":")
        if line == "" and data:
            yield name, json_of("\n".join(data))
        if line == "":
            name, data = None, []
        elif field == "event":
            name = value.removeprefix(" ")
        elif field == "data":
            data.append(value.removeprefix(" "))


def error_of(problem: Mapping[str, Any]) -> RingiError:
    """The error that a problem (in either form) stands for; one of a code we do not know is the engine's."""
    code = str(problem.get("code", ""))
    message = str(problem.get("detail") or problem.get("message") or problem.get("title") or "no reason given")
    kind = _classes().get("unknown_adapter" if code == "model_not_found" else code, EngineError)
    return kind(message)


def _classes() -> dict[str, type[RingiError]]:
    found: dict[str, type[RingiError]] = {}
    waiting: list[type[RingiError]] = [RingiError]
    while waiting:
        kind = waiting.pop()
        found[kind.code] = kind
        waiting += kind.__subclasses__()
    return found


def problem_of(answer: httpx.Response) -> Mapping[str, Any] | None:
    """The problem in an answer, in either form; None: it is none of ours."""
    data = json_of(answer.text)
    if isinstance(data, dict) and isinstance(data.get("error"), dict):
        data = data["error"]
    return data if isinstance(data, dict) and "code" in data else None


def json_of(text: str) -> Any:  # noqa: ANN401  # JSON
    """JSON, or the text where it is none."""
    try:
        return json.loads(text)
    except ValueError:
        return text
