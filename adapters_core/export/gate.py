"""The pre-load gate: no engine sees an adapter that has not passed it.

Engines do not check. vLLM answers 200 for a wrong prefix (and applies nothing) or a wrong width (and answers garbage),
and one adapter with a NaN poisons the whole server until it is restarted, while its health stays good.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor

from adapters_core.canonical import file_sha256, sha256_hex
from adapters_core.errors import InputError, IntegrityError, UnsafeAdapterError
from adapters_core.export.decoder import decoder_linears
from adapters_core.export.pair_rules import NORM_LIMIT, pair_reasons, sort_tensors
from adapters_core.export.peft_folder import (
    WEIGHTS_FILE,
    contradictions,
    load_weights,
    read_config,
    read_weights,
)
from adapters_core.export.peft_settings import PeftSettings, parse_settings
from adapters_core.modeling.base_model import BaseModel
from adapters_core.modeling.lora import Pair, Pairs

MAX_RANK = 256
"""Largest rank of the export rule."""
SHOWN_REASONS = 30
"""A message stays readable, and a file of a million wrong keys makes no message of a million lines."""


def check_adapter(
    pairs: Pairs,
    base: BaseModel,
    *,
    max_rank: int = MAX_RANK,
    norm_limit: float = NORM_LIMIT,
    weight_norms: Mapping[str, float] | None = None,
    expected_base_digest: str | None = None,
    manifest_base_digest: str | None = None,
    weights_sha256: str | None = None,
    file: Path | None = None,
) -> None:
    """Refuse an adapter that an engine must not load.

    Args:
        pairs: the adapter.
        base: the base it is to be served on.
        max_rank: the engine's limit.
        norm_limit: see :data:`adapters_core.export.pair_rules.NORM_LIMIT`.
        weight_norms: what :func:`adapters_core.export.pair_rules.weight_norms` gave for these sites, so that a service
            computes it once; None: computed here.
        expected_base_digest: of the base that the engine runs; None: not checked.
        manifest_base_digest: of the base in the adapter's manifest; None: not checked.
        weights_sha256: what the weights file must have; None: not checked.
        file: the weights file, where ``weights_sha256`` is given.

    Raises:
        UnsafeAdapterError: with every reason found.
    """
    reasons = _digest_reasons(base, expected_base_digest, manifest_base_digest)
    if weights_sha256 is not None and file is None:
        reasons.append("a sha256 is given, but no file that must have it")
    if weights_sha256 is not None and file is not None:
        found = file_sha256(file) if file.is_file() else None
        reasons += _file_reasons(file, weights_sha256, found)
    _refuse(reasons + pair_reasons(pairs, base, max_rank=max_rank, norm_limit=norm_limit, weight_norms=weight_norms))


def check_folder(
    folder: Path,
    base: BaseModel,
    *,
    max_rank: int = MAX_RANK,
    norm_limit: float = NORM_LIMIT,
    weight_norms: Mapping[str, float] | None = None,
    expected_base_digest: str | None = None,
    manifest_base_digest: str | None = None,
    weights_sha256: str | None = None,
) -> dict[str, Pair]:
    """Refuse a PEFT folder that an engine must not load: all of :func:`check_adapter`, and the export rule.

    The file is read once, so what is digested is what is checked.

    Returns:
        The checked pairs by module path.

    Raises:
        InputError: no such folder.
        UnsafeAdapterError: with every reason found, files that are missing, cut short or of another format included.
    """
    if not folder.is_dir():
        raise InputError(f"no adapter folder at {folder}")
    reasons = _digest_reasons(base, expected_base_digest, manifest_base_digest)
    tensors: dict[str, Tensor] = {}
    settings: PeftSettings | None = None
    try:
        data = read_weights(folder)
        if weights_sha256 is not None:
            reasons += _file_reasons(folder / WEIGHTS_FILE, weights_sha256, sha256_hex(data))
        tensors = load_weights(data, folder / WEIGHTS_FILE)
    except (InputError, IntegrityError) as error:
        reasons.append(str(error))
    try:
        settings = parse_settings(read_config(folder))
        reasons += settings.deviations()
    except (InputError, IntegrityError) as error:
        reasons.append(str(error))
    pairs, broken = sort_tensors(tensors)
    reasons += broken
    if tensors:
        reasons += pair_reasons(pairs, base, max_rank=max_rank, norm_limit=norm_limit, weight_norms=weight_norms)
    if tensors and settings is not None:
        reasons += contradictions(settings, pairs) + _left_out(settings, pairs, base)
    _refuse(reasons)
    return pairs


def _digest_reasons(base: BaseModel, expected: str | None, manifest: str | None) -> list[str]:
    named = {"the engine runs": expected, "the adapter was made for": manifest}
    return [
        f"{what} the base {digest[:16]}, this one is {base.digest[:16]}"
        for what, digest in named.items()
        if digest is not None and digest != base.digest
    ]


def _file_reasons(file: Path, expected: str, found: str | None) -> list[str]:
    return [] if found == expected else [f"{file.name} must have sha256 {expected}, got {found}"]


def _left_out(settings: PeftSettings, pairs: Pairs, base: BaseModel) -> list[str]:
    """Modules that the configuration names and the file leaves out: an adapter that was cut short looks like this."""
    if settings.targets is None:
        return []
    missing = [path for path in decoder_linears(base) if settings.names(path) and path not in pairs]
    return [f"{path} is configured, but has no pair" for path in missing]


def _refuse(reasons: Sequence[str]) -> None:
    if not reasons:
        return
    more = f"; and {len(reasons) - SHOWN_REASONS} more" if len(reasons) > SHOWN_REASONS else ""
    raise UnsafeAdapterError(f"this adapter must not be loaded: {'; '.join(reasons[:SHOWN_REASONS])}{more}")
