"""Baselines from an earlier report: what does not depend on the generator need not be measured for each one again.

LoRA on 300 contexts takes the better part of an hour on a CPU; a new generator is judged on the same base, the same
questions and in the same precision, so the rows of an earlier run hold. Where one of these differs they are refused.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from adapters_core.errors import InputError
from adapters_core.evaluation.methods import AdapterSource
from adapters_core.evaluation.provenance import suite_digest
from adapters_core.evaluation.report import AdaptationRow, QuestionRow, Report
from adapters_core.evaluation.suites import Suite

INDEPENDENT = ("none", "prompt", "lora", "full")
"""Methods that know no generator."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One method's rows of an earlier report."""

    questions: tuple[QuestionRow, ...]
    adaptations: tuple[AdaptationRow, ...]
    code_version: str
    """Of the code that measured them."""


def taken_over(
    reports: Sequence[Report], asked: Suite, core: AdapterSource, methods: Sequence[str], *, answers: bool
) -> Mapping[str, Measured]:
    """The rows, by method, that earlier reports on this suite hold.

    Args:
        reports: of any suites; those of another suite's name do not matter here.
        asked: documents and questions that are asked now.
        core: the base they are asked of.
        methods: names that are wanted.
        answers: whether answers are wanted too; rows without them are then measured again.

    Raises:
        InputError: a report on this suite is of another base, other questions, another precision or device.
    """
    found: dict[str, Measured] = {}
    for report in reports:
        if report.provenance.suite != asked.name:
            continue
        _require_same(report, asked, core)
        for method in (name for name in INDEPENDENT if name in methods):
            questions = tuple(row for row in report.questions if row.method == method)
            if questions and not (answers and any(row.answer is None for row in questions)):
                adaptations = tuple(row for row in report.adaptations if row.method == method)
                code = report.provenance.reused.get(method, report.provenance.code_version)
                found[method] = Measured(questions=questions, adaptations=adaptations, code_version=code)
    return found


def read_reports(path: Path) -> tuple[Report, ...]:
    """The reports in a report.json of ``evaluate`` or of ``protocol``, or in a report's own file.

    Raises:
        InputError: there is no such file, or it is no report.
        IntegrityError: a report in it is damaged.
    """
    try:
        data = json.loads(path.read_bytes())
        parts = list(data["reports"].values()) if "reports" in data else [data.get("report", data)]
    except OSError as error:
        raise InputError(f"no report at {path}: {error.strerror}") from error
    except (ValueError, AttributeError, TypeError) as error:
        raise InputError(f"{path} must be a report.json of evaluate or protocol: {error}") from error
    return tuple(Report.from_json(part) for part in parts)


def _require_same(report: Report, asked: Suite, core: AdapterSource) -> None:
    then = report.provenance
    pairs = {
        "base": (then.base[:16], core.base.digest[:16]),
        "questions": (then.suite_digest[:16], suite_digest(asked)[:16]),
        "precision": (then.dtype, str(core.base.dtype).removeprefix("torch.")),
        "device": (then.device, core.base.device.type),
    }
    if wrong := [f"{name} {now}, got {earlier}" for name, (earlier, now) in pairs.items() if earlier != now]:
        raise InputError(f"baselines of suite {asked.name!r} must be of {'; '.join(wrong)}: measure them again")
