"""One thread owns the model; work and answers take turns on it."""

import queue
import threading

import pytest
import torch

from adapters_core.data.documents import Document
from adapters_core.errors import BusyError, ContextError, EngineError, RingiError, UnavailableError
from adapters_core.modeling.base_model import BaseModel
from adapters_core.modeling.lora import Pair
from adapters_core.pipeline import GenerationCore
from adapters_core.service.decoding import Piece, Prompt
from adapters_core.service.sampling import Sampling
from adapters_core.service.scheduler import Scheduler, SchedulerLimits
from adapters_core.service.turns import Turn
from tests.tiny_model import tiny_base, tiny_generator

WAIT = 60


@pytest.fixture
def base() -> BaseModel:
    return tiny_base()


def prompt(tokens: int = 20, **changes: object) -> Prompt:
    fields: dict[str, object] = {
        "token_ids": (5, 6, 7),
        "pairs": None,
        "sampling": Sampling(temperature=0.0),
        "max_tokens": tokens,
    }
    return Prompt(**{**fields, **changes})  # type: ignore[arg-type]


class Caller:
    """Collects an answer from the model's thread."""

    def __init__(self) -> None:
        self.events: queue.Queue[Piece | RingiError] = queue.Queue()

    def all(self) -> list[Piece | RingiError]:
        found = [self.events.get(timeout=WAIT)]
        while isinstance(last := found[-1], Piece) and last.finish is None:
            found.append(self.events.get(timeout=WAIT))
        return found


def ask(scheduler: Scheduler, wanted: Prompt) -> Caller:
    caller = Caller()
    scheduler.answer(wanted, caller.events.put)
    return caller


def test_closing_finishes_what_was_taken_and_takes_nothing_new(base: BaseModel) -> None:
    scheduler = Scheduler(base)
    callers = [ask(scheduler, prompt(30)) for _ in range(5)]
    task = scheduler.submit(lambda _turn: 42)

    assert scheduler.close(timeout=WAIT)

    assert [len(caller.all()) for caller in callers] == [30] * 5
    assert task.future.result(timeout=0) == 42
    assert not scheduler.alive
    with pytest.raises(UnavailableError, match="closing"):
        scheduler.answer(prompt(), print)
    with pytest.raises(UnavailableError, match="closing"):
        scheduler.submit(lambda _turn: 1)


def test_answers_go_on_while_a_long_context_is_read(base: BaseModel) -> None:
    core = GenerationCore(base, tiny_generator(base))
    document = Document(name="long", text="The ferry leaves Oboro at seven. " * 40)
    scheduler = Scheduler(base)
    seen_during: list[int] = []
    caller = Caller()

    def work(turn: Turn) -> str:
        scheduler.answer(prompt(200), caller.events.put)

        def progress(_done: int, _total: int) -> None:
            turn.pause()
            seen_during.append(caller.events.qsize())

        return core.generate([document], key=bytes(32), progress=progress).adapter.digest

    busy = scheduler.submit(work).future.result(timeout=WAIT)
    assert len(caller.all()) == 200
    assert scheduler.close(timeout=WAIT)

    assert seen_during[0] >= 8, "the answer had begun after the first chunk"
    assert seen_during[-1] > seen_during[0]
    assert busy == core.generate([document], key=bytes(32)).adapter.digest, "the same bytes as in an idle service"


def test_a_full_queue_refuses(base: BaseModel) -> None:
    scheduler = Scheduler(base, limits=SchedulerLimits(queue_length=2))
    started, go_on = threading.Event(), threading.Event()

    def hold(_turn: Turn) -> None:
        started.set()
        go_on.wait(WAIT)

    scheduler.submit(hold)
    assert started.wait(WAIT)
    callers = [ask(scheduler, prompt(3)) for _ in range(2)]

    with pytest.raises(BusyError, match="2 requests wait"):
        scheduler.answer(prompt(), print)
    with pytest.raises(BusyError, match="2 requests wait"):
        scheduler.submit(hold)

    go_on.set()
    assert [len(caller.all()) for caller in callers] == [3, 3]
    assert scheduler.close(timeout=WAIT)


def test_more_answers_than_fit_a_batch_all_come(base: BaseModel) -> None:
    scheduler = Scheduler(base, limits=SchedulerLimits(batch_rows=2, batch_slots=60, prefill_tokens=4))
    callers = [ask(scheduler, prompt(5 + i)) for i in range(7)]
    wide = ask(scheduler, prompt(100))  # over batch_slots, so alone

    assert [len(caller.all()) for caller in callers] == [5 + i for i in range(7)]
    assert len(wide.all()) == 100
    assert scheduler.close(timeout=WAIT)


def test_cancelled_work_ends_at_its_next_pause(base: BaseModel) -> None:
    scheduler = Scheduler(base)
    started = threading.Event()

    def work(turn: Turn) -> None:
        started.set()
        while True:
            turn.pause()

    running = scheduler.submit(work)
    waiting = scheduler.submit(work)
    assert started.wait(WAIT)

    running.cancel()
    waiting.cancel()

    with pytest.raises(UnavailableError, match="given up"):
        running.future.result(timeout=WAIT)
    assert waiting.future.cancelled()
    assert scheduler.close(timeout=WAIT)


def test_an_error_of_work_is_its_own(base: BaseModel) -> None:
    core = GenerationCore(base, tiny_generator(base))
    scheduler = Scheduler(base)

    task = scheduler.submit(lambda _turn: core.generate([Document(name="x", text="y")]))

    with pytest.raises(ContextError, match="at least 2 tokens"):
        task.future.result(timeout=WAIT)
    assert len(ask(scheduler, prompt(4)).all()) == 4
    assert scheduler.close(timeout=WAIT)


def test_a_failing_forward_pass_ends_its_answers_and_not_the_thread(base: BaseModel) -> None:
    scheduler = Scheduler(base)
    path = next(name for name, _ in base.model.named_modules() if name.endswith("o_proj"))
    wide = {path: Pair(a_RI=torch.zeros(1, 7), b_OR=torch.zeros(3, 1))}

    (refused,) = ask(scheduler, prompt(4, pairs=wide)).all()
    (outside,) = ask(scheduler, prompt(4, token_ids=(10**6,))).all()

    assert isinstance(refused, RingiError)
    assert "takes a delta of" in str(refused)
    assert isinstance(outside, EngineError)
    assert "IndexError" in str(outside)
    assert len(ask(scheduler, prompt(4)).all()) == 4
    assert scheduler.close(timeout=WAIT)
