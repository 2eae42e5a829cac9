"""Two replicas on a local Ray cluster: what one does all know, and one that dies is not missed."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from adapters_core.data.documents import Document
from adapters_core.errors import ConfigError
from adapters_core.service.client import CoreClient
from adapters_core.service.server import address_of, bind
from adapters_core.service.transport import Retries
from tests.tiny_service import BASE, FERRY, KEY, TEA, TOKEN, tiny_settings

pytestmark = [pytest.mark.engine("ray"), pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
PATIENT = Retries(tries=12, first=0.2, longest=5.0)
SECONDS = 300


class Watched(httpx.BaseTransport):
    """The network, with what fails on it counted."""

    def __init__(self) -> None:
        self._network = httpx.HTTPTransport()
        self.failures = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        try:
            answer = self._network.handle_request(request)
        except httpx.TransportError:
            self.failures += 1
            raise
        self.failures += answer.status_code >= 500
        return answer

    def close(self) -> None:
        self._network.close()


def replicas(root: int) -> set[int]:
    """Processes of replicas below a process that we started."""
    parents: dict[int, int] = {}
    names: dict[int, str] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            parents[int(entry.name)] = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            names[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
            continue

    def below(pid: int) -> bool:
        while pid in parents and pid != root:
            pid = parents[pid]
        return pid == root

    return {pid for pid, name in names.items() if name.startswith("ray::ServeReplica") and below(pid)}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    """The address of two replicas, and the process that they belong to."""
    root = tmp_path_factory.mktemp("ray")
    with bind("127.0.0.1", 0) as free:
        port = address_of(free).rsplit(":", 1)[1]
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0f" * 32}
    environ["RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S"] = "240"  # Ray gives it 5 s, too little beside other tests
    command = [sys.executable, "-m", "tests.tiny_ray_server", str(root / "store"), port]
    with (
        (root / "errors").open("w") as errors,
        subprocess.Popen(command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=errors, text=True) as process,
    ):
        try:
            lines = iter(process.stdout or ())
            url = next((line.strip() for line in lines if line.startswith("http")), "")
            assert url, (root / "errors").read_text()
            yield url, process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                raise


def test_what_one_replica_makes_and_loads_every_replica_serves(cluster: tuple[str, int]) -> None:
    url, root = cluster
    assert len(replicas(root)) == 2
    with CoreClient(url, token=TOKEN) as client:
        told: list[tuple[int, int]] = []
        made = client.generate([Document(**FERRY)], key=KEY, progress=lambda *now: told.append(now))
        client.load_adapter("ferry-1", made.digest)

        answers = {client.complete("ferry-1", "a", max_tokens=6, temperature=0).choices for _ in range(12)}
        lists = {tuple(model.id for model in client.models()) for _ in range(8)}
        extended = client.extend(made.digest, [Document(**TEA)])
        streamed = "".join(
            p.choices[0].text for p in client.stream_complete("ferry-1", "a", max_tokens=6, temperature=0)
        )

        assert told == [(i, told[-1][1]) for i in range(1, len(told) + 1)]
        assert len(answers) == 1
        assert streamed == next(iter(answers))[0].text
        assert lists == {(BASE, "ferry-1")}
        assert extended.parent == made.digest
        assert client.generate([Document(**FERRY)], key=KEY).digest == made.digest
    assert httpx.get(f"{url}/v1/models").status_code == 401


def test_callers_that_retry_lose_nothing_when_a_replica_dies(cluster: tuple[str, int]) -> None:
    url, root = cluster
    with CoreClient(url, token=TOKEN) as client:
        digest = client.generate([Document(**TEA)], key=KEY).digest
        client.load_adapter("tea-1", digest)
        expected = {
            model: client.complete(model, "The price", max_tokens=60, temperature=0, ignore_eos=True).choices
            for model in (BASE, "tea-1")
        }
    before, watched = replicas(root), Watched()
    busy, killed, wrong, done = threading.Event(), threading.Event(), list[object](), list[int]()

    def load(place: int) -> None:
        model = (BASE, "tea-1")[place % 2]
        with CoreClient(url, token=TOKEN, retries=PATIENT, transport=watched) as caller:
            after = 0
            while after < 4:  # some requests in flight when the replica dies, and some after
                after += killed.is_set()
                try:
                    if place == 0:
                        found: object = caller.generate([Document(**TEA)], key=KEY).digest == digest
                    else:
                        answer = caller.complete(model, "The price", max_tokens=60, temperature=0, ignore_eos=True)
                        found = answer.choices == expected[model]
                except Exception as error:  # noqa: BLE001  # what is lost is what is tested
                    found = error
                done.append(place)
                busy.set()
                if found is not True:
                    wrong.append(found)

    threads = [threading.Thread(target=load, args=(place,)) for place in range(6)]
    for thread in threads:
        thread.start()
    assert busy.wait(SECONDS)
    os.kill(min(before), signal.SIGKILL)
    killed.set()
    for thread in threads:
        thread.join(SECONDS)
        assert not thread.is_alive()

    assert wrong == []
    assert len(done) >= 24
    assert watched.failures >= 1, "requests were in flight when it died"
    end = time.monotonic() + SECONDS
    while len(replicas(root)) < 2:
        assert time.monotonic() < end, "the dead replica was not replaced"
        time.sleep(0.2)
    with CoreClient(url, token=TOKEN, retries=PATIENT) as client:
        again = {
            client.complete("tea-1", "The price", max_tokens=60, temperature=0, ignore_eos=True).choices
            for _ in range(10)
        }
    assert again == {expected["tea-1"]}


def test_a_service_on_ray_needs_a_token_and_a_store_that_all_can_name(tmp_path: Path) -> None:
    from adapters_core.service.ray_serve import ClusterSettings, serve_on_ray
    from tests.tiny_service import tiny_core

    with pytest.raises(ConfigError, match="needs a token"):
        serve_on_ray(tiny_core, tiny_settings(tmp_path, token=None), ClusterSettings())
    with pytest.raises(ConfigError, match="absolute path"):
        serve_on_ray(tiny_core, tiny_settings(Path("store")), ClusterSettings())
    for fields in ({"replicas": 0}, {"replicas": 2, "most_replicas": 1}, {"cpus_per_replica": 0.0}):
        with pytest.raises(ConfigError):
            ClusterSettings(**fields)
