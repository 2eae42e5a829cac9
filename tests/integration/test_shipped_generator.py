"""The shipped generator: it fits the embedded base, is trained, is small, and is the one that its card names."""

from pathlib import Path

import pytest
import torch

from adapters_core.cli import options
from adapters_core.cli.options import SHIPPED, SHIPPED_DIGEST, load_generator_at
from adapters_core.errors import IntegrityError
from adapters_core.fetch import fetch_default_base
from adapters_core.modeling.base_model import load_base

pytestmark = pytest.mark.base


def test_it_is_trained_and_is_the_one_that_its_card_names() -> None:
    generator = load_generator_at(SHIPPED, load_base(fetch_default_base(), dtype=torch.bfloat16))
    assert all(float(output.abs().max()) > 0 for output in generator.freeze().output_nOV.values())
    assert generator.digest() == SHIPPED_DIGEST
    assert SHIPPED_DIGEST in (SHIPPED.parent / "README.md").read_text()


def test_another_one_in_its_place_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(options, "SHIPPED_DIGEST", "0" * 64)
    with pytest.raises(IntegrityError, match="must have digest 0000"):
        load_generator_at(SHIPPED, load_base(fetch_default_base(), dtype=torch.bfloat16))


def test_it_is_under_32_megabytes() -> None:
    assert sum(path.stat().st_size for path in Path(SHIPPED.parent).iterdir()) < 32 * 1000 * 1000
