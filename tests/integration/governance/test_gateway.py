"""The gateway: answers of what a slot serves at this moment, with its name; nobody without a token."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.http import HttpResponseBase
from django.test import AsyncClient

from governance.installation import installation
from governance.services.deploy import deploy
from governance.services.issue_token import issue_token, revoke_token
from governance.services.roll_back import roll_back
from governance.worker.workplace import Workplace
from tests.cast import MISAKI
from tests.factories.cores import RunningCore
from tests.factories.installations import Place
from tests.factories.works import SLOT, TEA, approved, carry_out

CHAT = {"model": SLOT, "messages": [{"role": "user", "content": "When?"}], "max_tokens": 3, "temperature": 0}


@pytest.fixture
def token(place: Place, at: Workplace) -> str:
    config: Any = apps.get_app_config("governance")
    config.installation.__dict__["engines"] = at.engines
    scopes = frozenset({"infer"})
    expires = place.clock.now + timedelta(days=1)
    return issue_token(place.actor(MISAKI), name="desk", scopes=scopes, expires=expires).secret


def ask(token: str | None, body: Any = CHAT, path: str = "/v1/chat/completions") -> tuple[HttpResponseBase, bytes]:
    """An answer with its whole body."""

    async def send() -> tuple[HttpResponseBase, bytes]:
        try:
            return await answered()
        finally:  # each call has an event loop of its own here, and leaves none of its connections
            for client in list(installation().connections.values()):
                await client.aclose()
            installation().connections.clear()

    async def answered() -> tuple[HttpResponseBase, bytes]:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        client = AsyncClient()
        answer = await client.post(path, data=json.dumps(body), content_type="application/json", headers=headers)
        if answer.streaming:
            return answer, b"".join([piece async for piece in answer])  # type: ignore[attr-defined]  # asynchronous
        return answer, answer.content

    return asyncio.run(send())


def place_in_slot(place: Place, at: Workplace, digest: str, seen: str | None = None) -> None:
    deploy(place.actor(MISAKI), slot=SLOT, adapter=digest, seen=seen, reason="Go")
    carry_out(at)


def test_every_answer_names_what_gave_it_and_is_never_stale(place: Place, at: Workplace, token: str) -> None:
    before, text = ask(token)
    assert before.status_code == 200, text
    first, second = approved(place, at), approved(place, at, TEA)
    place_in_slot(place, at, first)
    served, body = ask(token)
    place_in_slot(place, at, second, seen=first)
    replaced, _ = ask(token)
    roll_back(place.actor(MISAKI), slot=SLOT, adapter=first, seen=second, reason="Back")
    carry_out(at)
    back, _ = ask(token)

    assert before["X-Ringi-Adapter"] == "base"
    assert [one["X-Ringi-Adapter"] for one in (served, replaced, back)] == [first, second, first]
    assert json.loads(body)["model"] == f"{SLOT}-{first[:16]}"


def test_a_stream_arrives_in_pieces_and_ends(place: Place, at: Workplace, token: str) -> None:
    digest = approved(place, at)
    place_in_slot(place, at, digest)

    answer, body = ask(token, {**CHAT, "stream": True, "max_tokens": 12})

    assert answer["X-Ringi-Adapter"] == digest
    assert answer["Content-Type"].startswith("text/event-stream")
    assert body.decode().count("data: ") >= 4
    assert body.decode().rstrip().endswith("data: [DONE]")


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions"])
def test_nobody_is_answered_without_a_token_that_counts(place: Place, token: str, path: str) -> None:
    other = issue_token(
        place.actor(MISAKI), name="reader", scopes=frozenset({"read"}), expires=place.clock.now + timedelta(hours=1)
    )
    assert ask(None, path=path)[0].status_code == 401
    assert ask("ringi_guessed", path=path)[0].status_code == 401
    assert ask(other.secret, path=path)[0].status_code == 403

    place.clock.forward(days=2)
    assert ask(token, path=path)[0].status_code == 401


@pytest.mark.usefixtures("token")
def test_a_revoked_token_opens_nothing(place: Place) -> None:
    short = issue_token(
        place.actor(MISAKI), name="short", scopes=frozenset({"infer"}), expires=place.clock.now + timedelta(hours=1)
    )
    assert ask(short.secret)[0].status_code == 200
    revoke_token(place.actor(MISAKI), token=short.id)

    assert ask(short.secret)[0].status_code == 401


@pytest.mark.parametrize(
    ("body", "status"),
    [({**CHAT, "model": "nowhere"}, 404), ([1, 2], 400), ({"model": SLOT}, 400), ({**CHAT, "model": 7}, 404)],
)
def test_a_bad_request_is_answered_with_what_is_wrong(token: str, body: Any, status: int) -> None:
    answer, text = ask(token, body)

    assert answer.status_code == status
    assert json.loads(text)["error"]["message"]


def test_an_engine_that_is_down_is_said_to_be_down(token: str, core: RunningCore) -> None:
    core.stop()

    answer, text = ask(token)

    assert answer.status_code == 503
    assert answer["Retry-After"]
    assert "again" in text.decode() or "no answer" in text.decode()


def test_slots_are_the_models(token: str) -> None:
    async def listed() -> Any:
        return (await AsyncClient().get("/v1/models", headers={"authorization": f"Bearer {token}"})).json()

    assert SLOT in [card["id"] for card in asyncio.run(listed())["data"]]
