"""Our writer of the safetensors format against the library's."""

import hashlib

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load, save

from adapters_core.modeling.tensor_file import file_bytes, file_sha256, pieces

names = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1, max_size=12)
shapes = st.lists(st.integers(0, 5), max_size=3)
dtypes = st.sampled_from([torch.float32, torch.float16, torch.bfloat16])


@given(st.dictionaries(names.filter(lambda name: name != "__metadata__"), shapes, min_size=1, max_size=5), dtypes)
def test_the_bytes_are_those_of_the_library(shapes_by_name: dict[str, list[int]], dtype: torch.dtype) -> None:
    rng = torch.Generator().manual_seed(len(shapes_by_name))
    tensors = {name: torch.randn(shape, generator=rng).to(dtype) for name, shape in shapes_by_name.items()}

    data = file_bytes(tensors)

    assert data == save(tensors, metadata={"format": "pt"})
    assert file_sha256(tensors) == hashlib.sha256(data).hexdigest()
    assert all(torch.equal(tensors[name], tensor) for name, tensor in load(data).items())


def test_tensors_of_several_dtypes_are_ordered_as_the_library_does() -> None:
    tensors = {
        "b": torch.ones(2, dtype=torch.float16),
        "z": torch.arange(3),
        "a": torch.ones(4),
        "c": torch.ones(1, dtype=torch.bfloat16),
    }

    assert file_bytes(tensors) == save(tensors, metadata={"format": "pt"})


def test_a_tensor_that_is_a_view_is_written_as_it_reads() -> None:
    tensors = {"w": torch.arange(12.0).reshape(3, 4).T, "v": torch.arange(12.0)[::2]}

    assert all(torch.equal(tensors[name], tensor) for name, tensor in load(file_bytes(tensors)).items())


def test_no_piece_is_larger_than_a_tensor() -> None:
    tensors = {f"w{n}": torch.ones(1_000) for n in range(20)}

    assert max(len(piece) for piece in pieces(tensors)) == pytest.approx(4_000)
