"""Our generator computes what an independent implementation computed, and a damaged case is noticed."""

import contextlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from adapters_core.conformance import MODES, compare, load_case
from adapters_core.errors import InputError, IntegrityError, RingiError

REFERENCE = Path(__file__).parents[1] / "reference"
CASES = sorted(REFERENCE.glob("case_*.json"))
DELTAS, LOGITS = 5e-6, 5e-5


@pytest.fixture
def case(tmp_path: Path) -> Path:
    """A copy of a case to damage."""
    for path in REFERENCE.glob("case_truncated.*"):
        shutil.copyfile(path, tmp_path / path.name)
    return tmp_path / "case_truncated.json"


def change_tensors(case: Path, change: Callable[[dict[str, Tensor]], object]) -> None:
    tensors = load_file(case.with_suffix(".safetensors"))
    change(tensors)
    save_file(tensors, case.with_suffix(".safetensors"))


def change_description(case: Path, **changes: object) -> None:
    kept = {name: value for name, value in (json.loads(case.read_text()) | changes).items() if value is not None}
    case.write_text(json.dumps(kept))


def test_both_reference_cases_are_here() -> None:
    assert [path.stem for path in CASES] == ["case_full_rank", "case_truncated"]


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_every_mode_conforms_to_the_reference(path: Path) -> None:
    found = compare(load_case(path))

    assert tuple(found) == MODES
    for mode, errors in found.items():
        assert errors.deltas < DELTAS, mode
        assert errors.logits < LOGITS, mode


@pytest.mark.parametrize(
    "name", ["generator.layers.1.o_proj.key", "base.model.layers.0.mlp.up_proj.weight", "delta.single.layers.2.o_proj"]
)
def test_a_small_change_of_one_number_is_seen(case: Path, name: str) -> None:
    def nudge(tensors: dict[str, Tensor]) -> None:
        tensors[name].view(-1)[0] += 0.05

    change_tensors(case, nudge)

    assert compare(load_case(case))["single"].deltas > DELTAS


def test_changed_logits_are_seen_in_their_mode_alone(case: Path) -> None:
    change_tensors(case, lambda tensors: tensors["query_logits.sequential"].mul_(1.001))

    found = compare(load_case(case))

    assert found["sequential"].logits == pytest.approx(1e-3, rel=0.01)
    assert found["single"].logits < LOGITS


def test_each_mode_is_told_from_the_others(case: Path) -> None:
    def swap(tensors: dict[str, Tensor]) -> None:
        for name in [name for name in tensors if ".single" in name]:
            other = name.replace(".single", ".independent")
            tensors[name], tensors[other] = tensors[other], tensors[name]

    change_tensors(case, swap)

    found = compare(load_case(case))
    assert found["single"].deltas > 1e-2
    assert found["independent"].deltas > 1e-2
    assert found["sequential"].deltas < DELTAS


def test_an_expected_zero_delta_is_missed_by_anything_else(case: Path) -> None:
    change_tensors(case, lambda tensors: tensors["delta.single.layers.0.o_proj"].zero_())

    assert compare(load_case(case))["single"].deltas == float("inf")


def test_a_case_may_leave_modes_out(case: Path) -> None:
    def only_single(tensors: dict[str, Tensor]) -> None:
        for name in [n for n in tensors if ".sequential" in n or ".independent" in n]:
            del tensors[name]

    change_tensors(case, only_single)

    assert tuple(compare(load_case(case))) == ("single",)


TENSOR_DAMAGE: dict[str, tuple[str, Callable[[dict[str, Tensor]], object]]] = {
    "no logits": ("at least one of", lambda t: [t.pop(n) for n in list(t) if n.startswith("query_logits")]),
    "no delta": ("delta.single.layers.1.o_proj", lambda t: t.pop("delta.single.layers.1.o_proj")),
    "no query": ("query_ids", lambda t: t.pop("query_ids")),
    "no base weight": ("Missing key", lambda t: t.pop("base.model.norm.weight")),
    "no generator weight": ("1 are missing", lambda t: t.pop("generator.layers.0.o_proj.key")),
    "NaN": ("must be finite", lambda t: t["delta.single.layers.0.o_proj"].view(-1)[0].fill_(float("nan"))),
    "delta of another shape": (
        "must have shape",
        lambda t: t.update({"delta.single.layers.0.o_proj": torch.zeros(3, 3)}),
    ),
    "logits of another shape": ("must have shape", lambda t: t.update({"query_logits.single": torch.zeros(1, 2, 3)})),
    "token ids out of range": ("integers below 97", lambda t: t["context_ids"].view(-1)[0].fill_(97)),
    "token ids that are no integers": ("integers below", lambda t: t.update({"context_ids": torch.ones(1, 4)})),
    "token ids of no row": ("integers below", lambda t: t.update({"context_ids": torch.ones(4, dtype=torch.long)})),
}


@pytest.mark.parametrize("damage", TENSOR_DAMAGE)
def test_a_case_with_damaged_tensors_is_refused(case: Path, damage: str) -> None:
    message, change = TENSOR_DAMAGE[damage]
    change_tensors(case, change)

    with pytest.raises(IntegrityError, match=message):
        load_case(case)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rank": None}, "must hold 'rank'"),
        ({"rank": 99}, "rank must be at most"),
        ({"rank": "8"}, "whole number"),
        ({"target_modules": ["nothing"]}, "found no module"),
        ({"target_modules": 3}, "does not fit together"),
        ({"hidden_size": 52}, "make no Llama"),
        ({"hidden_size": "x"}, "make no Llama"),
        ({"state_size_key": 23}, "must have shape"),
    ],
)
def test_a_case_whose_description_does_not_fit_is_refused(case: Path, changes: dict[str, object], message: str) -> None:
    change_description(case, **changes)

    with pytest.raises(IntegrityError, match=message):
        load_case(case)


def test_a_case_that_is_not_there_is_named(case: Path) -> None:
    with pytest.raises(InputError, match=r"there is no .*other\.json"):
        load_case(case.with_name("other.json"))
    case.with_suffix(".safetensors").unlink()
    with pytest.raises(InputError, match=r"there is no .*case_truncated\.safetensors"):
        load_case(case)


@pytest.mark.parametrize("keep", [0, 5, 200, 100_000])
def test_truncated_tensors_are_refused(case: Path, keep: int) -> None:
    tensors = case.with_suffix(".safetensors")
    tensors.write_bytes(tensors.read_bytes()[:keep])

    with pytest.raises(IntegrityError, match="cannot be read"):
        load_case(case)


@pytest.mark.parametrize("text", ["", "{", "[1]", "3"])
def test_a_description_that_is_no_object_is_refused(case: Path, text: str) -> None:
    case.write_text(text)

    with pytest.raises(IntegrityError):
        load_case(case)


def test_every_error_of_a_case_is_ours(case: Path) -> None:
    """Each field in turn is something else: nothing but our own errors comes out."""
    description = json.loads(case.read_text())
    wrong: list[object] = [None, "x", -1, [], {}]
    for field in description:
        for value in wrong:
            case.write_text(json.dumps(description | {field: value}))
            with contextlib.suppress(RingiError):
                load_case(case)
