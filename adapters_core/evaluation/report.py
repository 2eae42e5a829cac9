"""The report of an evaluation: what was asked, answered and measured, as plain data with an exact JSON form.

Unknown is None, apart from zero; a recovery whose denominator is not above 0 is the text "undefined".
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from adapters_core.canonical import canonical_bytes
from adapters_core.errors import InputError, IntegrityError
from adapters_core.evaluation.intervals import Difference, Interval
from adapters_core.evaluation.provenance import Provenance
from adapters_core.from_json import build
from adapters_core.storage import atomic_file

SCHEMA = "ringi-evaluation-1"
UNDEFINED: Literal["undefined"] = "undefined"
Recovery = Interval | Literal["undefined"] | None
"""An interval; "undefined": the context in the prompt does not help; None: not asked for, or without meaning here."""


@dataclass(frozen=True, kw_only=True)
class QuestionRow:
    """One question under one method."""

    document: str
    question: str
    """Its id."""
    method: str
    nll: float
    """Of the first gold answer, nats per token."""
    answer: str | None
    """Greedy answer; None: not asked for, as are the scores below."""
    f1: float | None
    exact_match: float | None
    contains: float | None
    remembered: float | None
    """Whether the answer holds what the base may remember instead; None: nothing of that kind is known."""


@dataclass(frozen=True, kw_only=True)
class AdaptationRow:
    """One document taken in by one method."""

    document: str
    method: str
    seconds: float
    """To take it in."""
    nbytes: int
    """To keep for later questions."""
    adapter: str | None
    """Digest; None: no generated adapter."""
    answer_seconds: float
    """To score (and answer) its questions, in batches."""


@dataclass(frozen=True, kw_only=True)
class MethodSummary:
    """A method over all questions; intervals are resampled by document."""

    method: str
    nll: Interval
    f1: Interval | None
    exact_match: Interval | None
    contains: Interval | None
    remembered: Interval | None
    recovery: Recovery
    """(none - method) / (none - prompt) in NLL."""
    specific_recovery: Recovery
    """(wrong - method) / (none - prompt) in NLL; for the generated adapter."""
    against: Mapping[str, Difference]
    """Paired NLL difference, this method minus the named one; below 0: this one is better."""
    adapt_seconds: float
    """Mean over documents."""
    adapt_bytes: float
    """Mean over documents."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """All of one evaluation."""

    provenance: Provenance
    methods: tuple[MethodSummary, ...]
    """In the order asked for; the control stands right after the adapter."""
    questions: tuple[QuestionRow, ...]
    adaptations: tuple[AdaptationRow, ...]
    norms: Mapping[str, float]
    """Frobenius norm of the generated delta by module path, mean over documents; empty: no adapter was asked for."""

    def summary(self, method: str) -> MethodSummary:
        """The summary of a method.

        Raises:
            InputError: it was not evaluated.
        """
        found = {summary.method: summary for summary in self.methods}
        if method not in found:
            raise InputError(f"method {method!r} must be one of those evaluated: {sorted(found)}")
        return found[method]

    def to_json(self) -> dict[str, object]:
        """As plain JSON data."""
        return {"schema": SCHEMA, **asdict(self)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Report":
        """Inverse of :meth:`to_json`.

        Raises:
            IntegrityError: another schema, or a field that is missing, unknown or of another type.
        """
        if data.get("schema") != SCHEMA:
            raise IntegrityError(f"a report must have schema {SCHEMA!r}, got {data.get('schema')!r}")
        return build(cls, {name: value for name, value in data.items() if name != "schema"})

    def write(self, path: Path) -> Path:
        """Write canonical JSON, whole or not at all.

        Raises:
            StorageError: the file could not be written.
        """
        with atomic_file(path) as staging:
            staging.write_bytes(canonical_bytes(self.to_json()))
        return path

    @classmethod
    def read(cls, path: Path) -> "Report":
        """Read a report.

        Raises:
            InputError: there is no such file.
            IntegrityError: it is no report.
        """
        try:
            return cls.from_json(json.loads(path.read_bytes()))
        except OSError as error:
            raise InputError(f"no report at {path}: {error.strerror}") from error
        except (ValueError, AttributeError) as error:
            raise IntegrityError(f"{path} is no JSON report: {error}") from error
