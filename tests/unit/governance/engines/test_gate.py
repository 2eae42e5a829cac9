"""The gate: each kind of harm is refused and named."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.utils import translation
from safetensors.numpy import save_file

from adapters_core.errors import UnsafeAdapterError
from adapters_core.ledger.records import Actor, Entry, Subject
from governance.engines.gate import CONFIG, WEIGHTS, check_adapter
from governance.policy.system_words import spoken

BASE = "b" * 64
SITE = "model.layers.0.self_attn.q_proj"
A, B = f"base_model.model.{SITE}.lora_A.weight", f"base_model.model.{SITE}.lora_B.weight"


def tensors() -> dict[str, Any]:
    return {A: np.ones((2, 3), np.float32), B: np.ones((4, 2), np.float32)}


def write(folder: Path, found: dict[str, Any], **config: Any) -> None:
    save_file(found, folder / WEIGHTS)
    (folder / CONFIG).write_text(json.dumps({"r": 2, "lora_alpha": 2, **config}))


def generated(base: str = BASE) -> Entry:
    norm = float(np.linalg.norm(np.full((4, 3), 2.0)))
    return Entry(
        seq=1,
        time=datetime(2026, 11, 20, tzinfo=UTC),
        event="adapter:generated",
        subject=Subject(kind="adapter", id="a" * 64),
        refs=(),
        actor=Actor(id="1", name="Ito", kind="person"),
        data={"base": base, "norms": {SITE: {"frobenius": norm}}},
        prev_hash="0" * 64,
        leaf_hash="1" * 64,
        body="",
    )


def said(refused: pytest.ExceptionInfo[UnsafeAdapterError]) -> str:
    """What a Japanese page says of it."""
    with translation.override("ja"):
        return spoken("error", f"{refused.value.code}: {refused.value}")


def test_a_sound_adapter_passes(tmp_path: Path) -> None:
    write(tmp_path, tensors())

    assert check_adapter(tmp_path, generated(), BASE) == {"tensors": 2, "sites": 1, "rank": 2, "base": BASE}


@pytest.mark.parametrize(
    ("change", "config", "reason", "japanese"),
    [
        ({A: np.full((2, 3), np.nan, np.float32)}, {}, "NaN", "NaN または無限大があります"),
        ({B: np.full((4, 2), np.inf, np.float32)}, {}, "infinity", "NaN または無限大があります"),
        ({A: None}, {}, "is missing", f"{A} がありません"),
        (
            {"base_model.model.lm_head.lora_A.weight": np.ones((2, 3), np.float32)},
            {},
            "belongs to no site",
            "適用箇所の記録がありません",
        ),
        ({A: np.full((2, 3), 9, np.float32)}, {}, "has the norm", "台帳では 6.928 です"),
        ({A: np.ones((3, 3), np.float32)}, {}, "must have the rank 2", "ランクは 2 のはず"),
        ({}, {"lora_alpha": 16}, "rank and alpha", "2 と 16.0 です"),
        ({}, {"r": 512, "lora_alpha": 512}, "at most 256", "256 以下のはず"),
        ({}, {"r": None}, "cannot be read", "ファイルを読み取れません"),
    ],
)
def test_what_could_do_harm_is_refused(
    tmp_path: Path, change: dict[str, Any], config: dict[str, Any], reason: str, japanese: str
) -> None:
    found = {name: tensor for name, tensor in {**tensors(), **change}.items() if tensor is not None}
    write(tmp_path, found, **config)

    with pytest.raises(UnsafeAdapterError, match=reason) as refused:
        check_adapter(tmp_path, generated(), BASE)
    assert japanese in said(refused)


def test_an_adapter_of_another_base_is_refused(tmp_path: Path) -> None:
    write(tmp_path, tensors())

    with pytest.raises(UnsafeAdapterError, match="it is for the base") as refused:
        check_adapter(tmp_path, generated("c" * 64), BASE)
    assert f"スロットのベースモデルは {BASE[:16]} です" in said(refused)


@pytest.mark.parametrize("data", [b"", b"\x00" * 7, b"\xff" * 64, (10).to_bytes(8, "little") + b"not json at all"])
def test_a_file_that_is_none_is_refused(tmp_path: Path, data: bytes) -> None:
    write(tmp_path, tensors())
    (tmp_path / WEIGHTS).write_bytes(data)

    with pytest.raises(UnsafeAdapterError, match="cannot be read"):
        check_adapter(tmp_path, generated(), BASE)


def test_sixteen_bit_factors_are_read_as_they_are(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file as save

    write(tmp_path, tensors())
    save({name: torch.from_numpy(one).bfloat16() for name, one in tensors().items()}, str(tmp_path / WEIGHTS))

    assert check_adapter(tmp_path, generated(), BASE)["tensors"] == 2
