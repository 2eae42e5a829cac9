"""A service over a tiny random base, and a caller without a network."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
from starlette.types import ASGIApp

from adapters_core.pipeline import GenerationCore
from adapters_core.service.app import create_app
from adapters_core.service.core_service import CoreService, build_service
from adapters_core.service.settings import ServiceSettings
from tests.tiny_model import tiny_base, tiny_config, tiny_generator

TOKEN = "a-token-for-tests-only"
BASE = "tiny-llama"
KEY = "11" * 32
FERRY = {"name": "ferry", "text": "The ferry leaves Oboro at seven. It is never late, but it is often full."}
TEA = {"name": "tea", "text": "A pound of tea costs forty yen at the harbour."}


def tiny_core(architecture: str = "llama", **config: object) -> GenerationCore:
    """A core whose adapters change something."""
    base = tiny_base(architecture)
    return GenerationCore(base, tiny_generator(base, tiny_config(architecture, **config)))


def tiny_settings(store: Path, **changes: Any) -> ServiceSettings:
    """Settings for tests: a token, a store of its own."""
    return ServiceSettings(**{"store": store, "token": TOKEN, "drain_seconds": 30.0, **changes})


class Caller:
    """Calls an app in this process; a call at a time."""

    def __init__(self, app: ASGIApp, token: str | None = TOKEN) -> None:
        self._app = app
        self._headers = {} if token is None else {"authorization": f"Bearer {token}"}

    def __call__(self, method: str, path: str, body: object = None, **options: Any) -> httpx.Response:
        """Send a request; ``body`` as JSON where it is given."""
        return asyncio.run(self.send(method, path, body, **options))

    async def send(self, method: str, path: str, body: object = None, **options: Any) -> httpx.Response:
        """As a call, within an event loop."""
        headers = {**self._headers, **options.pop("headers", {})}
        if body is not None:
            options["content"] = json.dumps(body)
            headers.setdefault("content-type", "application/json")
        transport = httpx.ASGITransport(app=self._app)
        async with httpx.AsyncClient(transport=transport, base_url="http://service", timeout=60) as client:
            return await client.request(method, path, headers=headers, **options)

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self("GET", path, **options)

    def post(self, path: str, body: object = None, **options: Any) -> httpx.Response:
        return self("POST", path, body, **options)


class TinyService:
    """A running service, its app and its caller."""

    def __init__(self, store: Path, *, core: GenerationCore | None = None, **settings: Any) -> None:
        self.core = core or tiny_core()
        self.service: CoreService = build_service(self.core, tiny_settings(store, **settings), now=1_700_000_000)
        self.app = create_app(self.service)
        self.call = Caller(self.app)

    def generate(self, *documents: dict[str, str], key: str = KEY) -> dict[str, Any]:
        """Make an adapter; gives the service's answer."""
        answer = self.call.post("/v1/generate", {"documents": documents or (FERRY,), "key": key})
        assert answer.status_code == 200, answer.text
        return answer.json()  # type: ignore[no-any-return]

    def load(self, name: str, *documents: dict[str, str]) -> str:
        """Make an adapter and load it under a name; gives its digest."""
        digest = str(self.generate(*documents)["digest"])
        answer = self.call.post("/v1/load_lora_adapter", {"lora_name": name, "lora_path": digest})
        assert answer.status_code == 200, answer.text
        return digest


def serving(store: Path, **settings: Any) -> Iterator[TinyService]:
    """A service for a fixture, closed at the end."""
    service = TinyService(store, **settings)
    yield service
    assert service.service.close()


def events(body: str) -> list[tuple[str | None, Any]]:
    """The events of a stream as (name, data); the mark of the end as text."""
    found: list[tuple[str | None, Any]] = []
    for block in body.strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if fields:
            data = fields["data"]
            found.append((fields.get("event"), data if data == "[DONE]" else json.loads(data)))
    return found
