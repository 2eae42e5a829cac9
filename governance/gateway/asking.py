"""One question put to what an engine serves, for a person who waits for the answer. Nothing of it is kept."""

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import httpx
from asgiref.sync import sync_to_async

from adapters_core.data.prompts import INSTRUCTION
from adapters_core.errors import EngineError, RingiError, UnavailableError, UnknownAdapterError
from governance.engines.engine import Engine
from governance.gateway.forwarding import forward

PATH = "/v1/chat/completions"
ANSWER_TOKENS = 64
PATIENCE_SECONDS = 120.0
"""How long a person waits for an answer; a core that evaluates meanwhile takes turns."""
Trouble = Literal["", "down", "not_resident", "busy", "late", "refused"]
_STATUS: Mapping[int, Trouble] = {404: "not_resident", 429: "busy", 503: "busy", 502: "down", 504: "late"}


@dataclass(frozen=True, kw_only=True)
class Said:
    """An answer, or why there is none."""

    text: str = ""
    seconds: float | None = None
    """From asking to the whole answer."""
    tokens: int | None = None
    """Of the answer; None where the engine does not count."""
    trouble: Trouble = ""
    detail: str = ""
    """What the engine says of the trouble."""


async def put(client: httpx.AsyncClient, engine: Engine, name: str | None, question: str) -> Said:
    """Ask as the evaluation asks: the same words around the question, always the most probable answer.

    Args:
        client: connections, which belong to the running event loop.
        engine: who is asked.
        name: of the adapter, as the engine knows it; None: the bare base.
        question: in the words of the person.
    """
    body = {
        "messages": [{"role": "user", "content": f"{question}\n{INSTRUCTION}"}],
        "max_tokens": ANSWER_TOKENS,
        "temperature": 0,
    }
    began = time.monotonic()
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            address = await sync_to_async(engine.address, thread_sensitive=False)(name, PATH, body)
            answer = await forward(client, address)
            whole = b"".join([piece async for piece in answer.pieces])
    except TimeoutError:
        return Said(trouble="late")
    except UnknownAdapterError as error:
        return Said(trouble="not_resident", detail=str(error))
    except (EngineError, UnavailableError) as error:
        return Said(trouble="down", detail=str(error))
    except RingiError as error:
        return Said(trouble="refused", detail=str(error))
    return _said(answer.status, whole, time.monotonic() - began)


def _said(status: int, whole: bytes, seconds: float) -> Said:
    try:
        found: dict[str, Any] = json.loads(whole)
        if status != httpx.codes.OK:
            message = str(found.get("error", found).get("message", ""))
            return Said(trouble=_STATUS.get(status, "refused"), detail=message[:500])
        text = str(found["choices"][0]["message"]["content"] or "")
        tokens = (found.get("usage") or {}).get("completion_tokens")
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        return Said(trouble=_STATUS.get(status, "refused"), detail=f"status {status}")
    return Said(text=text.strip(), seconds=seconds, tokens=tokens)
