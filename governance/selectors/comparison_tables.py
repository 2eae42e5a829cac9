"""A comparison as tables: beside its charts, in CSV and in Excel. Values are those of the page."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from django.utils.translation import gettext as _

from governance.policy.words import STATE_NAMES
from governance.selectors.comparison_sheets import Sheet
from governance.selectors.comparison_words import METRICS, REASONS, SUITES, VERDICTS

Value = str | float | int | None


@dataclass(frozen=True, kw_only=True)
class Table:
    """One table of an export."""

    name: str
    """Short, for the tab of a workbook."""
    header: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]


def summary(sheet: Sheet) -> Table:
    """Which one to take, and who the candidates are."""
    rows: list[tuple[Value, ...]] = [(_("Recommendation"), sheet.sentence, "", "", "")]
    rows += [(_("Note"), text, "", "", "") for text in sheet.cautions]
    rows += [
        (
            column.letter,
            column.name,
            column.candidate.key,
            str(STATE_NAMES.get(column.state, column.state)) if column.state else _("Baseline"),
            column.candidate.base,
        )
        for column in sheet.columns
    ]
    header = ("", _("Name"), _("Digest"), _("State"), _("Base model"))
    return Table(name=_("Summary"), header=header, rows=tuple(rows))


def scores(sheet: Sheet) -> Table:
    """Every score with its interval and its verdict against the first candidate."""
    header = (
        *(_("Questions"), _("Metric"), _("Candidate"), _("Value"), _("Lower bound"), _("Upper bound"), _("Count")),
        *(_("Verdict"), _("Reason"), _("Difference"), _("Corrected p-value"), _("Questions asked of both")),
    )
    rows: list[tuple[Value, ...]] = []
    for row in sheet.comparison.rows:
        for column, score in zip(sheet.columns, row.scores, strict=True):
            verdict = score.verdict
            difference = verdict.difference if verdict else None
            rows.append(
                (
                    *(str(SUITES[row.suite]), str(METRICS[row.metric]), column.label),
                    *(score.value, score.low, score.high, score.count),
                    str(VERDICTS[verdict.word]) if verdict else None,
                    str(REASONS[verdict.reason]) if verdict else None,
                    difference.value if difference else None,
                    verdict.p_value if verdict else None,
                    verdict.questions if verdict else None,
                )
            )
    return Table(name=_("Scores"), header=header, rows=tuple(rows))


def answers(sheet: Sheet) -> Table:
    """What each candidate answered."""
    header = (_("Question"), _("Right answers"), *(column.label for column in sheet.columns))
    rows = []
    for row in sheet.answers:
        asked = sheet.asked.get(row.question.id)
        if any(cell.text is not None for cell in row.cells):
            text = asked.text if asked else row.question.id
            right = " / ".join(asked.answers) if asked else None
            rows.append((text, right, *(cell.text for cell in row.cells)))
    return Table(name=_("Answers"), header=header, rows=tuple(rows))


def norms(sheet: Sheet) -> Table:
    """Where the model is changed."""
    labels = [column.label for column in sheet.columns]
    apart = [_("%(name)s: difference") % {"name": label} for label in labels[1:]]
    rows = tuple((row.layer, row.site, *row.norms, *row.differences[1:]) for row in sheet.norms)
    return Table(name=_("Changes by layer"), header=(_("Layer"), _("Site"), *labels, *apart), rows=rows)


def costs(sheet: Sheet) -> Table:
    """Time, storage, and from how many questions on an adapter takes less time than its documents in the prompt."""
    header = (
        *(_("Candidate"), _("Seconds to make"), _("Seconds for an answer")),
        *(_("Tokens with every question"), _("Bytes kept"), _("Seconds for an answer by the prompt")),
        _("Break-even (questions)"),
    )
    rows = tuple(
        (
            *(column.label, row.cost.adapt_seconds, row.cost.query_seconds),
            *(row.cost.carried_tokens, row.cost.kept_bytes),
            *(row.prompt.query_seconds if row.prompt else None, row.break_even),
        )
        for column, row in zip(sheet.columns, sheet.costs, strict=True)
    )
    return Table(name=_("Costs"), header=header, rows=rows)


def lineage(sheet: Sheet) -> Table:
    """What each adapter was made from."""
    header = (
        *(_("Candidate"), _("Documents"), _("Parent adapter"), _("Generator"), _("Base model")),
        *(_("Tokens"), _("Chunks"), _("Chunks added"), _("Chunks erased"), _("Made at"), _("Made by")),
    )
    rows = tuple(
        (
            *(column.label, " / ".join(one.contexts), one.parent, one.generator, one.base_name),
            *(one.tokens, one.chunks, one.added, one.erased, one.time.isoformat(), one.actor),
        )
        for column in sheet.columns
        if (one := column.lineage)
    )
    return Table(name=_("Lineage"), header=header, rows=rows)


PARTS: Mapping[str, Callable[[Sheet], Table]] = {
    "summary": summary,
    "scores": scores,
    "answers": answers,
    "norms": norms,
    "costs": costs,
    "lineage": lineage,
}
