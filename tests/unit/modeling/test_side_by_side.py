"""Threads that compute with one thread of torch each: in order, the same bytes, nothing else changed."""

import gc
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor

from adapters_core.modeling.side_by_side import SideBySide


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    """Two threads for the test's own computations."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def decomposed(state_KV: Tensor) -> Tensor:
    vectors_VV: Tensor = torch.linalg.eigh(state_KV.mT @ state_KV).eigenvectors
    return vectors_VV


@pytest.mark.parametrize("count", [1, 2, 5])
def test_results_come_in_the_order_of_the_items(count: int) -> None:
    def slow_first(item: int) -> int:
        time.sleep(0.002 * (8 - item))
        return item * item

    assert list(SideBySide(count)(slow_first, range(8))) == [item * item for item in range(8)]


def test_the_bytes_do_not_depend_on_the_number_of_threads() -> None:
    states = torch.randn(6, 64, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    several = [list(SideBySide(count)(decomposed, states)) for count in (1, 2, 3)]
    torch.set_num_threads(1)
    alone = list(SideBySide(2)(decomposed, states))

    assert all(torch.equal(a, b) for found in several for a, b in zip(found, alone, strict=True))


def test_items_are_computed_side_by_side_with_one_thread_of_torch_each() -> None:
    both = threading.Barrier(2)

    def meet(_item: int) -> int:
        both.wait(10)
        return torch.get_num_threads()

    assert list(SideBySide(2)(meet, range(2))) == [1, 1]


def test_a_caller_with_one_thread_computes_by_itself() -> None:
    each = SideBySide(2)
    torch.set_num_threads(1)

    assert set(each(lambda _item: threading.get_ident(), range(4))) == {threading.get_ident()}


def test_the_caller_and_threads_that_begin_later_keep_their_number_of_threads() -> None:
    each = SideBySide(2)
    list(each(decomposed, torch.randn(3, 8, 8, dtype=torch.float64)))

    def of_a_new_thread() -> int:
        torch.ones(100_000).exp()
        return torch.get_num_threads()

    assert torch.get_num_threads() == 2
    with ThreadPoolExecutor(1) as later:
        assert later.submit(of_a_new_thread).result() == 2


def test_the_first_error_in_order_comes_out_and_what_has_not_begun_is_left() -> None:
    begun = []

    def fail(item: int) -> int:
        begun.append(item)
        time.sleep(0.05)
        raise ValueError(str(item))

    each = SideBySide(2)
    with pytest.raises(ValueError, match=r"^0$"):
        list(each(fail, range(50)))

    assert len(begun) < 10
    assert list(each(abs, [-1, -2])) == [1, 2]  # and it can go on


def test_the_threads_end_with_it() -> None:
    each = SideBySide(2)
    mine = [thread for thread in threading.enumerate() if thread.name.startswith("fold")]
    assert len(mine) >= 2

    del each
    gc.collect()

    for thread in mine[-2:]:
        thread.join(10)
        assert not thread.is_alive()
