"""Addresses, forms and files that somebody made up to do harm: answered with what is wrong, never with a fault."""

import asyncio
import io
import threading
import tracemalloc
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils.html import escape

from adapters_core.errors import DeniedError, IllegalTransitionError
from adapters_core.ledger import queries
from adapters_core.ledger.queries import EntryFilter
from adapters_core.ledger.signing import load_public
from adapters_core.ledger.verification.verify import verify
from governance.bodies import LARGEST, limited
from governance.services.approve import approve
from governance.services.create_person import create_person
from governance.services.create_slot import create_slot
from governance.services.deploy import deploy
from governance.services.hold_context import hold_context
from governance.services.issue_token import issue_token
from governance.services.reject import reject
from governance.services.request_approval import request_approval
from governance.services.retire import retire
from governance.services.roll_back import roll_back
from tests.cast import HANAKO, KENJI, MISAKI, NAOKO, YUKI, Member
from tests.factories.adapters import evaluated, generate, submit
from tests.factories.installations import BASE, Place, copy_template, installed
from tests.factories.scenes import Scene, make_scene
from tests.unit.governance.conftest import SignIn
from tests.unit.governance.services.test_approving import signature

pytestmark = pytest.mark.django_db
EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>'); DROP TABLE entries; --{{ 7*7 }}"
HOSTILE = ("9" * 40, "-1", "²", "1e999", "' OR 1=1 --", EVIL, "\0", "x" * 5000, "../../etc/passwd", "%ff%fe")
NAMES = (
    "q",
    "state",
    "base",
    "context",
    "sort",
    "after",
    "before",
    "slot",
    "time",
    "mine",
    "event",
    "actor",
    "kind",
    "since",
    "until",
    "adapter",
    "ask",
    "a",
    "b",
    "key",
    "keys",
    "stages",
    "next",
    "part",
    "suite",
    "subject",
    "only",
    "topic",
)
LISTS = (
    "/",
    "/contexts/",
    "/adapters/",
    "/requests/",
    "/slots/",
    "/slots/support/",
    "/slots/support/deploy/",
    "/audit/",
    "/jobs/",
    "/messages/",
    "/people/",
    "/tokens/",
    "/policies/",
    "/policies/add",
    "/delegations/",
    "/incidents/",
    "/at",
    "/compare",
    "/playground/",
    "/audit/export.csv",
    "/accounts/login/",
)
BROKEN = 500


@pytest.fixture(scope="module")
def staged(template: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Scene]:
    folder = copy_template(template, tmp_path_factory.mktemp("scene") / "var")
    with installed(folder) as place:
        return folder, make_scene(place)


@pytest.fixture
def scene(staged: tuple[Path, Scene], tmp_path: Path) -> Iterator[tuple[Place, Scene]]:
    with installed(copy_template(staged[0], tmp_path / "var")) as place:
        place.clock.forward(hours=1)
        yield place, staged[1]


def tolerant(client: Client) -> Client:
    """Answers with a status where a test's browser would raise."""
    client.raise_request_exception = False
    client.cookies[settings.LANGUAGE_COOKIE_NAME] = "en"
    return client


@pytest.mark.usefixtures("scene")
@pytest.mark.parametrize("page", LISTS)
def test_no_question_to_a_page_breaks_it(page: str, browser_of: SignIn) -> None:
    client = tolerant(browser_of(NAOKO if page == "/tokens/" else MISAKI))
    for value in HOSTILE:
        answer = client.get(page, dict.fromkeys(NAMES, value))
        assert answer.status_code < BROKEN, value
        shown = b"" if answer.streaming else answer.content
        assert b"<script>alert" not in shown, value


def _patterns(found: Any, before: str = "") -> Iterator[tuple[str, dict[str, str]]]:
    """(route, converters) of every address that names something."""
    for one in found:
        route = before + str(one.pattern)
        if isinstance(one, URLResolver):
            yield from _patterns(one.url_patterns, route)
        elif isinstance(one, URLPattern) and "<" in route and not route.startswith("accounts/") and "(?P" not in route:
            yield route, {}


ROUTES = sorted({route for route, _ in _patterns(get_resolver().url_patterns)})
FORGED = {
    "uuid": ("00000000-0000-4000-8000-00000000dead",),
    "int": ("9" * 40, "4294967296"),
    "slug": ("0" * 64, "x" * 400, "-"),
    "str": ("0" * 64, "x" * 400, "..%2F..%2Fetc%2Fpasswd", "%00", "a...b", "%3Cscript%3E"),
}


@pytest.mark.parametrize("route", ROUTES)
def test_a_forged_name_in_an_address_finds_nothing(route: str, scene: tuple[Place, Scene], browser_of: SignIn) -> None:
    place, _under_way = scene
    client = tolerant(browser_of(MISAKI))
    with place.ledger.read() as db:
        before = queries.size(db)
    kinds = [part.split(">")[0].split(":")[0] for part in route.split("<")[1:]]
    for turn in range(6):
        address = "/" + route
        for kind, part in zip(kinds, route.split("<")[1:], strict=True):
            choices = FORGED.get(kind, FORGED["str"])
            address = address.replace(f"<{part.split('>')[0]}>", choices[turn % len(choices)], 1)
        for answer in (client.get(address), client.post(address, {"reason": "r", "text": "t", "name": "n"})):
            assert answer.status_code in {301, 302, 400, 401, 403, 404, 405, 409, 415, 422}, (address, answer)
            assert b"<script>" not in getattr(answer, "content", b"")
    with place.ledger.read() as db:
        added = [queries.entry(db, seq).event for seq in range(before, queries.size(db))]
    assert set(added) <= {"denied"}


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.zip", b"PK\x03\x04" + bytes(100)),
        ("a.txt", b"PK\x03\x04" + bytes(100)),
        ("../../../etc/cron.d/x.exe", b"text"),
        ("a.txt\0.exe", b"te\0xt"),
        ("a.txt", "規程".encode("utf-16")),
        ("a.txt", "規程".encode("shift_jis")),
        ("a.md", b"\xff\xfe\xfd"),
        ("a.txt", b"x" * (2 * 2**20 + 1)),
        (".txt", b""),
    ],
)
def test_a_file_that_is_no_text_leaves_nothing(place: Place, browser_of: SignIn, name: str, data: bytes) -> None:
    answer = tolerant(browser_of(HANAKO)).post(
        "/contexts/new", {"title": "t", "file": SimpleUploadedFile(name, data, "text/plain")}
    )

    assert answer.status_code == 422
    with place.ledger.read() as db:
        assert queries.find_entries(db, EntryFilter(events=("context:submitted",))) == ()


def test_a_path_as_the_name_of_a_file_writes_nothing_there(place: Place, browser_of: SignIn) -> None:
    sent = SimpleUploadedFile("x.txt", b"A rule of the house.", "text/plain")
    sent.__dict__["_name"] = "../../../../tmp/ringi-escaped.txt"

    answer = tolerant(browser_of(HANAKO)).post("/contexts/new", {"title": "t", "file": sent})

    assert answer.status_code == 302
    assert not Path("/tmp/ringi-escaped.txt").exists()  # noqa: S108  what must not be there
    assert not list(place.folder.rglob("*escaped*"))


class Endless(io.RawIOBase):
    """A body that is made while it is read."""

    def __init__(self, length: int) -> None:
        self.left, self.read_so_far = length, 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        size = min(self.left, 65536 if size < 0 else size)
        self.left -= size
        self.read_so_far += size
        return b"x" * size


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize("address", ["/contexts/new", "/accounts/login/", "/v1/completions", "/api/v1/contexts"])
def test_a_hundred_megabytes_are_refused_unread(browser_of: SignIn, address: str) -> None:
    client = tolerant(browser_of(HANAKO))
    body = Endless(100 * 2**20)
    tracemalloc.start()
    try:
        answer = client.request(
            REQUEST_METHOD="POST",
            PATH_INFO=address,
            CONTENT_TYPE="multipart/form-data; boundary=x",
            CONTENT_LENGTH=str(body.left),
            **{"wsgi.input": body},
        )
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert answer.status_code == 413
    assert "大きすぎます" in answer.content.decode()
    assert body.read_so_far == 0
    assert peak < 8 * 2**20


def test_a_body_without_a_stated_length_is_read_to_the_limit_and_no_further() -> None:
    read = 0
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        nonlocal read
        read += 1
        return {"type": "http.request", "body": bytes(2**20), "more_body": True}

    async def send(message: Any) -> None:
        sent.append(message)

    async def application(_scope: Any, take: Any, _send: Any) -> None:
        while (await take()).get("more_body"):
            pass

    asyncio.run(limited(application)({"type": "http", "headers": []}, receive, send))

    assert sent[0]["status"] == 413
    assert read == LARGEST // 2**20 + 1


def test_a_stated_length_that_is_too_large_is_not_even_asked_for() -> None:
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        raise AssertionError

    async def send(message: Any) -> None:
        sent.append(message)

    async def application(_scope: Any, _take: Any, _send: Any) -> None:
        raise AssertionError

    scope = {"type": "http", "headers": [(b"content-length", str(LARGEST + 1).encode())]}
    asyncio.run(limited(application)(scope, receive, send))

    assert sent[0]["status"] == 413


def test_what_people_write_is_shown_as_text_on_every_page(place: Place, browser_of: SignIn) -> None:
    context = submit(place, title=EVIL[:200], text=EVIL, personal_data_reason=EVIL)
    adapter = evaluated(place, context=context, name=EVIL)
    request = request_approval(place.actor(HANAKO), adapter=adapter, slot="support", comment=EVIL)
    reject(place.actor(YUKI), request=request, signature=signature(place, request, meaning="decided"), comment=EVIL)
    create_slot(place.actor(MISAKI), name="evil", title=EVIL, base=BASE, engine="core", policy="standard")
    hold_context(place.actor(YUKI), context=context, reason=EVIL)
    other = generate(place, context=context, name=EVIL)
    retire(place.actor(MISAKI), adapter=other, reason=EVIL)
    person = create_person(place.actor(MISAKI), name=EVIL, email="evil@ringi.example", password="a-long-password-123")
    issue_token(place.actor(MISAKI), name=EVIL, scopes=frozenset({"read"}), expires=place.clock.now + timedelta(days=1))
    with place.ledger.read() as db:
        size = queries.size(db)
    pages = ["/", "/contexts/", f"/contexts/{context}", "/adapters/", f"/adapters/{adapter}/", f"/adapters/{other}/"]
    pages += [
        "/requests/",
        f"/requests/{request}/",
        f"/requests/{request}/sheet/",
        "/slots/",
        "/slots/evil/",
        "/people/",
    ]
    pages += [f"/people/{person}/", "/tokens/", "/audit/", f"/compare/{adapter}...{other}", "/playground/", "/jobs/"]
    pages += [f"/audit/{seq}" for seq in range(size - 12, size)]
    client, shown = tolerant(browser_of(NAOKO)), 0
    for page in pages:
        answer = client.get(page)
        assert answer.status_code == 200, page
        text = answer.content.decode()
        assert "<script>alert" not in text, page
        assert "<img src=x" not in text, page
        shown += escape("<script>alert(1)</script>") in text
    assert shown >= 12


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "[::1", "a b", "localhost:80:90"])
def test_a_forged_host_is_refused_and_named_nowhere(host: str) -> None:
    for address in ("/accounts/login/", "/accounts/password/reset/", "/healthz"):
        answer = tolerant(Client()).get(address, headers={"host": host})
        assert answer.status_code == 400 or (address == "/healthz" and answer.status_code == 200)
        assert "evil.example" not in answer.content.decode()


@pytest.mark.usefixtures("place")
def test_a_forwarded_host_leads_nowhere_else() -> None:
    answer = tolerant(Client()).get("/", headers={"x-forwarded-host": "evil.example"})

    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/accounts/login/")


def test_of_two_reviewers_at_the_same_moment_one_decides_and_one_is_told(place: Place) -> None:
    request = request_approval(place.actor(HANAKO), adapter=evaluated(place), slot="support", comment="c")
    seen, start = signature(place, request), threading.Barrier(2)
    outcomes: list[str] = []

    def decide(member: Member) -> None:
        actor = place.actor(member)
        start.wait()
        try:
            approve(actor, request=request, signature=seen)
            outcomes.append("approved")
        except (DeniedError, IllegalTransitionError):
            outcomes.append("refused")

    _together(lambda: decide(YUKI), lambda: decide(KENJI))

    assert sorted(outcomes) == ["approved", "refused"]
    assert _events(place)[-2:] == ["request:approved", "denied"]
    _verifies(place)


def test_of_many_clicks_at_the_same_moment_one_rolls_back(scene: tuple[Place, Scene]) -> None:
    place, under_way = scene
    start, outcomes = threading.Barrier(4), list[str]()
    with place.ledger.read() as db:
        before = queries.size(db)

    def press() -> None:
        actor = place.actor(MISAKI)
        start.wait()
        try:
            roll_back(actor, slot="support", adapter=under_way.previous, seen=under_way.serving, reason="r")
            outcomes.append("started")
        except (DeniedError, IllegalTransitionError):
            outcomes.append("refused")

    _together(*[press] * 4)

    assert sorted(outcomes) == ["refused"] * 3 + ["started"]
    assert sorted(_events(place, before)) == ["denied"] * 3 + ["deployment:requested"]
    _verifies(place)


def test_a_page_of_yesterday_deploys_nothing(scene: tuple[Place, Scene]) -> None:
    place, under_way = scene
    for seen in (None, under_way.previous, "0" * 64):
        with pytest.raises((DeniedError, IllegalTransitionError)):
            deploy(place.actor(MISAKI), slot="support", adapter=under_way.idle, seen=seen, reason="r")
    assert _events(place)[-3:] == ["denied"] * 3


def _together(*work: Any) -> None:
    threads = [threading.Thread(target=one) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)


def _events(place: Place, since: int = 0) -> list[str]:
    with place.ledger.read() as db:
        return [queries.entry(db, seq).event for seq in range(since, queries.size(db))]


def _verifies(place: Place) -> None:
    with place.ledger.read() as db:
        assert verify(db, [load_public(place.folder / "keys" / "ledger.key.pub")]).findings == ()
