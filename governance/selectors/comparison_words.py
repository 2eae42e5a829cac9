"""What a comparison says in words: names, verdicts, reasons, and one sentence on which candidate to take."""

from collections.abc import Iterable, Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext, pgettext_lazy

from adapters_core.comparison.records import DECIDING, LOWER_IS_BETTER, Reason, Recommendation
from governance.policy.gates import GateResult
from governance.templatetags.states import measured, metric_name

SUITES: Mapping[str, Promise] = {
    "context": gettext_lazy("Questions on the document"),
    "general": gettext_lazy("Unrelated questions"),
}
METRICS: Mapping[str, Promise] = {
    "contains": gettext_lazy("Right answer given"),
    "nll": gettext_lazy("Surprise at the right answer"),
    "f1": gettext_lazy("Words shared with the right answer"),
    "exact_match": gettext_lazy("Answer exactly right"),
}
METHODS: Mapping[str, Promise] = {
    "none": gettext_lazy("Base model alone"),
    "prompt": gettext_lazy("Document in the prompt"),
    "wrong": gettext_lazy("Adapter of another document"),
}
VERDICTS: Mapping[str, Promise] = {
    "better": pgettext_lazy("verdict", "better"),
    "worse": pgettext_lazy("verdict", "worse"),
    "unchanged": pgettext_lazy("verdict", "unchanged"),
    "incomparable": pgettext_lazy("verdict", "incomparable"),
    "beside": pgettext_lazy("verdict", "shown beside"),
}
REASONS: Mapping[str, Promise] = {
    "shown": gettext_lazy("the paired test shows the difference"),
    "same": gettext_lazy("the same questions show that any difference is too small to matter"),
    "undecided": gettext_lazy("the questions asked leave it open"),
    "different_base": gettext_lazy("they belong to different base models"),
    "not_measured": gettext_lazy("it was not measured"),
    "other_not_measured": gettext_lazy("the other one was not measured"),
    "report_missing": gettext_lazy("the evaluation report is not readable, so nothing can be paired"),
    "no_common_questions": gettext_lazy("they were asked different questions"),
    "too_few": gettext_lazy("too few questions for a test"),
    "beside": gettext_lazy("another metric decides"),
}
BARRED: Mapping[str, Promise] = {
    "retired": gettext_lazy("retired"),
    "rejected": gettext_lazy("rejected"),
    "erased": gettext_lazy("built from an erased document"),
}
_SENTENCES: Mapping[str, Promise] = {
    "best": gettext_lazy("Take %(name)s: it is shown to be better than %(others)s (%(finding)s)."),
    "least_change": gettext_lazy(
        "Take %(name)s: no adapter here is shown to be better than it, and it changes the model least."
    ),
    "least_harm": gettext_lazy(
        "Take %(name)s: no adapter here is shown to be better than it, and of those that do not answer unrelated "
        "questions worse it changes the model least."
    ),
    "only": gettext_lazy("Take %(name)s: it is shown to be better than the base model alone (%(finding)s)."),
    "no_gain": gettext_lazy(
        "Take none yet: %(name)s is not shown to be better than the base model alone (%(finding)s)."
    ),
    "incomparable": gettext_lazy("No recommendation: %(name)s and %(other)s cannot be compared, because %(reason)s."),
    "all_barred": gettext_lazy("Take none: every adapter here is retired, rejected or built from an erased document."),
    "not_measured": gettext_lazy(
        "No recommendation yet: not every adapter here has an evaluation that can be read. Evaluate first."
    ),
}
_HARM = gettext_lazy(
    "Mind the side effect: it answers unrelated questions worse than the base model alone (%(finding)s)."
)
_BEATEN = gettext_lazy("%(names)s is shown to be better still; weigh that against what it costs with every question.")
_MISSED = gettext_lazy("It does not pass the gates of the policy %(policy)s: %(gates)s.")
_SHARES = frozenset({"contains", "f1", "exact_match"})


def recommended(found: Recommendation, names: Mapping[str, str]) -> str:
    """The sentence at the top.

    Args:
        found: what to take.
        names: key -> what the page calls a candidate.
    """
    first = found.reasons[0] if found.reasons else None
    shown = first if found.code in {"best", "incomparable"} else found.against_bare
    mine = found.take or (shown.mine if shown else "")
    return str(_SENTENCES[found.code]) % {
        "name": names.get(mine, ""),
        "other": names[first.other] if first else "",
        "others": _listed(names[reason.other] for reason in found.reasons),
        "finding": finding(shown) if shown else "",
        "reason": REASONS[first.verdict.reason] if first else "",
    }


def cautions(found: Recommendation, names: Mapping[str, str]) -> tuple[str, ...]:
    """What to know besides the recommendation."""
    said = []
    if found.harm:
        said.append(str(_HARM) % {"finding": finding(found.harm)})
    if found.beaten_by:
        said.append(str(_BEATEN) % {"names": _listed(names[key] for key in found.beaten_by)})
    return tuple(said)


def missed(policy: str, results: Iterable[GateResult]) -> str:
    """What to know of a recommended adapter that does not pass the gates of a policy; empty where it passes all."""
    failed = [_missed_gate(one) for one in results if not one.passed]
    return str(_MISSED) % {"policy": quoted(policy), "gates": _listed(failed)} if failed else ""


def _missed_gate(result: GateResult) -> str:
    gate = result.gate
    said = {
        "gate": metric_name(gate.metric),
        "value": _("not measured") if result.value is None else measured(result.value, gate.metric),
        "least": f"{'≥' if gate.operator == '>=' else '≤'} {measured(gate.threshold, gate.metric)}",
    }
    return _("%(gate)s %(value)s (%(least)s is demanded)") % said


def quoted(name: str) -> str:
    """A name as a sentence sets it apart."""
    return pgettext("a name in a sentence", "“%(name)s”") % {"name": name}


def finding(reason: Reason) -> str:
    """A verdict in numbers: metric, mean difference, questions, corrected p-value."""
    verdict = reason.verdict
    if verdict.difference is None:
        return str(REASONS[verdict.reason])
    questions = ngettext("%(count)d question", "%(count)d questions", verdict.questions) % {"count": verdict.questions}
    direction = _(" (less is better)") if DECIDING in LOWER_IS_BETTER else ""
    moved = f"{METRICS[DECIDING]}{direction} {change(DECIDING, verdict.difference.value)}"
    parts = [moved, questions]
    if verdict.p_value is not None:
        parts.append(p_text(verdict.p_value))
    return pgettext("between items", ", ").join(parts)


def p_text(value: float) -> str:
    """A p-value, as small as 2,000 permutations can tell."""
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"  # noqa: PLR2004


def change(metric: str, value: float) -> str:
    """A difference with its sign: in points for shares, in nats for the surprise."""
    if metric in _SHARES:
        return _("%(value)s points") % {"value": f"{100 * value:+.1f}"}
    return f"{value:+.3f}"


def amount(metric: str, value: float | None) -> str:
    """A score: a percentage for shares; a dash where it was not measured."""
    if value is None:
        return "–"
    return f"{100 * value:.0f}%" if metric in _SHARES else f"{value:.3f}"


def _listed(names: Iterable[str]) -> str:
    return pgettext("between items", ", ").join(names)
