"""What an evaluation depends on: the questions asked, base, generator, code and machine."""

import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

import torch

from adapters_core.canonical import canonical_bytes, digest_of, sha256_hex
from adapters_core.errors import InputError
from adapters_core.evaluation.methods import AdapterSource
from adapters_core.evaluation.question_files import SuiteDocument
from adapters_core.evaluation.suites import Suite
from adapters_core.versions import code_version, library_versions


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """What the numbers depend on."""

    base: str
    """Digest."""
    base_source: str
    generator: str
    """Digest."""
    suite: str
    suite_digest: str
    """Of the documents and questions that were asked, in their order."""
    documents: int
    questions: int
    limit: int | None
    seed: int
    """Of the sample and the bootstrap."""
    code_version: str
    libraries: Mapping[str, str]
    device: str
    dtype: str
    threads: int
    created_at: str
    """UTC, ISO 8601."""
    seconds: float
    """Of the whole evaluation."""
    reused: Mapping[str, str]
    """Methods whose rows come from an earlier report, with the version of the code that measured them."""


def describe(
    core: AdapterSource,
    asked: Suite,
    *,
    limit: int | None,
    seed: int,
    created_at: str,
    seconds: float,
    reused: Mapping[str, str],
) -> Provenance:
    """The provenance of an evaluation on this machine."""
    return Provenance(
        base=core.base.digest,
        base_source=core.base.source,
        generator=core.generator_digest,
        suite=asked.name,
        suite_digest=suite_digest(asked),
        documents=len(asked.documents),
        questions=asked.question_count,
        limit=limit,
        seed=seed,
        code_version=code_version(),
        libraries=library_versions(),
        device=core.base.device.type,
        dtype=str(core.base.dtype).removeprefix("torch."),
        threads=torch.get_num_threads(),
        created_at=created_at,
        seconds=round(seconds, 6),
        reused=reused,
    )


def sampled(suite: Suite, limit: int | None, seed: int) -> Suite:
    """Whole documents in an order that the seed alone decides, until there are ``limit`` questions.

    Raises:
        InputError: the limit is below 1, or the suite is empty.
    """
    if limit is not None and limit < 1:
        raise InputError(f"limit must be at least 1, got {limit}")
    if not suite.question_count:
        raise InputError(f"suite {suite.name!r} must have at least one question, got none")
    if limit is None:
        return suite
    order = list(range(len(suite.documents)))
    random.Random(seed).shuffle(order)
    kept: dict[int, SuiteDocument] = {}
    for place in order:
        if (left := limit - sum(len(document.questions) for document in kept.values())) <= 0:
            break
        kept[place] = replace(suite.documents[place], questions=suite.documents[place].questions[:left])
    return replace(suite, documents=tuple(kept[place] for place in sorted(kept)))


def suite_digest(suite: Suite) -> str:
    """Digest of a suite's documents and questions, in their order."""
    return digest_of(asdict(suite))


def evaluation_key(suite: Suite, seed: int) -> bytes:
    """Key of the chunk commitments of an evaluation's adapters: not secret, so that their digests come again."""
    return bytes.fromhex(sha256_hex(canonical_bytes({"seed": seed, "suite": suite_digest(suite)})))
