"""Jobs that evaluate an adapter: against nothing, the context in the prompt and another adapter, and what it forgets.

The report is a file by its digest, without any text: questions are named, and what was asked and answered lies sealed
in the vault under the context's key (``evaluation:<id>``), so that it goes when the context goes. What the other
adapter answered may hold words of its own document: it lies under that one's key (``control:<id>``).
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from adapters_core.canonical import canonical_bytes, digest_of, sha256_hex
from adapters_core.data.documents import Document
from adapters_core.errors import ContextError
from adapters_core.ledger import adapter_queries, people_queries, vault
from adapters_core.ledger.append import append
from adapters_core.ledger.job_queries import Job
from adapters_core.ledger.jobs import Result, finish_job
from adapters_core.ledger.records import Subject
from adapters_core.ledger.transactions import Reader, Writer
from adapters_core.service.measures_contract import QuestionsAnswer, QuestionScore
from governance.engines import canary
from governance.engines.registry import CORE
from governance.policy.gates import check_gates
from governance.policy.system_words import written
from governance.services import facts
from governance.services.void_changed import void_of_adapter
from governance.worker import projection, scores
from governance.worker.heartbeat import Heartbeat
from governance.worker.keeping import recording
from governance.worker.questions import Asked, general_questions, questions_of, spread
from governance.worker.workplace import SYSTEM, Workplace

SCHEMA = "ringi-evaluation-1"
CONTEXT, RETENTION = "context", "retention"
_CONTROL = "wrong"


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What the core measured."""

    rows: tuple[QuestionScore, ...]
    """Questions of the contexts."""
    general: tuple[QuestionScore, ...]
    """Questions that have nothing to do with them."""
    said: Mapping[str, Mapping[str, str]]
    """question -> method -> answer."""
    answer_seconds: Mapping[str, float]
    """method -> seconds for one answer."""
    attribution: Mapping[str, Any] | None


def evaluate(at: Workplace, job: Job, beat: Heartbeat) -> str:
    """Evaluate; answers the report's digest. Raises what the core, the vault and the ledger raise."""
    adapter, suite = job.payload["adapter"], job.payload["suite"]
    started = time.monotonic()
    with at.ledger.read() as db:
        row = adapter_queries.adapter(db, adapter)
        contexts = adapter_queries.contexts_of_adapter(db, adapter)
        asked = [questions_of(db, at.master, context) for context in contexts] if suite == CONTEXT else []
        wrong = _control(db, row, contexts)
    measured = _measure(at, beat, adapter, wrong, asked, suite=suite)
    beat.stage("canary")
    bird = _canary(at, adapter)
    report = {
        "schema": SCHEMA,
        "evaluation": str(uuid5(NAMESPACE_URL, f"ringi:evaluation:{job.job_key}")),
        "adapter": adapter,
        "base": row.base,
        "wrong": wrong,
        "suite": suite,
        "questions": {
            "source": _source(asked),
            "count": sum(len(one.questions) for one in asked),
            "answered": len(measured.said),
        },
        "scores": scores.scores(measured.rows),
        "recovery": scores.recovery(measured.rows),
        "retention": scores.retention(measured.general),
        "differences": scores.differences(measured.rows),
        "rows": [_row(one) for one in measured.rows],
        "general": [_row(one) for one in measured.general],
        "attribution": measured.attribution,
        "canary": bird.to_json(),
        "cost": {"seconds": time.monotonic() - started, "answer_seconds": dict(measured.answer_seconds)},
    }
    return _record(at, job, report, asked, measured)


def _measure(
    at: Workplace, beat: Heartbeat, adapter: str, wrong: str | None, asked: Sequence[Asked], *, suite: str
) -> Measured:
    rows: list[QuestionScore] = []
    said: dict[str, dict[str, str]] = {}
    seconds: dict[str, list[float]] = {}
    for one in asked:
        beat.stage("questions")
        found = _ask(at, beat, one, adapter, wrong)
        rows += found.questions
        beat.stage("answers")
        for method in dict.fromkeys(row.method for row in found.questions):
            began = time.monotonic()
            answered = at.core.ask(
                spread(one.questions, at.answered),
                adapter=adapter,
                wrong=wrong,
                context=one.text,
                methods=[method],
                answers=True,
                progress=beat.progress,
            ).questions
            seconds.setdefault(method, []).append((time.monotonic() - began) / len(answered))
            rows = _with_answers(rows, answered)
            for row in answered:
                said.setdefault(row.question, {})[method] = row.answer or ""
    beat.stage("retention")
    questions = general_questions(all_of_them=suite == RETENTION)
    general = at.core.ask(questions, adapter=adapter, methods=["none", "adapter"], progress=beat.progress)
    return Measured(
        rows=tuple(rows),
        general=general.questions,
        said=said,
        answer_seconds={method: sum(values) / len(values) for method, values in seconds.items()},
        attribution=_attribution(at, beat, adapter, asked),
    )


def _ask(at: Workplace, beat: Heartbeat, one: Asked, adapter: str, wrong: str | None) -> QuestionsAnswer:
    """All methods; without the context in the prompt where that is longer than the base can read."""
    try:
        return at.core.ask(one.questions, adapter=adapter, wrong=wrong, context=one.text, progress=beat.progress)
    except ContextError:
        return at.core.ask(one.questions, adapter=adapter, wrong=wrong, progress=beat.progress)


def _attribution(at: Workplace, beat: Heartbeat, adapter: str, asked: Sequence[Asked]) -> Mapping[str, Any] | None:
    """Shares of the context by place, without its text; None in suites that ask nothing of the context.

    Of single sites the shares of chunks are kept: those of tokens would be the most of the report.
    """
    if not asked:
        return None
    beat.stage("attribution")
    documents = [Document(name=one.context, text=one.text) for one in asked]
    found = at.core.attribute(adapter, documents, progress=beat.progress)
    stated: dict[str, Any] = found.model_dump(mode="json", exclude={"answer", "log_probability", "residual", "sites"})
    return stated | {"sites": {name: list(shares.chunks) for name, shares in found.sites.items()}}


def _canary(at: Workplace, adapter: str) -> canary.Canary:
    """Read the adapter on the core under a name of its own, which is taken back."""
    engine, name = at.engines[CORE], f"evaluation-{adapter[:16]}"
    engine.load(name, adapter, adapter)
    try:
        return canary.take(engine, name)
    finally:
        engine.unload(name)


def _record(at: Workplace, job: Job, report: Mapping[str, Any], asked: Sequence[Asked], measured: Measured) -> str:
    kept = canonical_bytes(dict(report))
    digest = sha256_hex(kept)
    made = digest_of({name: report[name] for name in ("adapter", "suite", "wrong", "rows", "general")})
    with recording(at, {digest: kept}) as tx:
        result = Result(digest=made, data={"adapter": report["adapter"], "report": digest})
        if finish_job(tx, job, result, actor=job.actor) != "recorded":
            return digest
        data = {**_stated(report), "report_digest": digest}
        entry = append(
            tx,
            "adapter:evaluated",
            subject=Subject(kind="adapter", id=report["adapter"]),
            actor=job.actor,
            data={**data, "gates": _gates(tx, report["adapter"], data)},
            refs=[Subject(kind="job", id=job.job)],
        )
        for one in asked:
            vault.seal_text(
                tx, at.master, one.context, vault.evaluation_text(report["evaluation"]), _texts(one, measured)
            )
        _seal_control(at, tx, report, measured)
        projection.send_evaluation(tx, entry)
        void_of_adapter(tx, report["adapter"], actor=SYSTEM, cause=written("evaluated_again"))
    return digest


def _seal_control(at: Workplace, writer: Writer, report: Mapping[str, Any], measured: Measured) -> None:
    """Seal what the other adapter answered under its context; without one that it all comes from, it is not kept."""
    contexts = adapter_queries.contexts_of_adapter(writer, report["wrong"]) if report["wrong"] else ()
    answers = {question: methods[_CONTROL] for question, methods in measured.said.items() if _CONTROL in methods}
    if len(contexts) == 1 and answers and vault.is_sealed(writer, contexts[0]):
        sealed = json.dumps(answers, ensure_ascii=False).encode()
        vault.seal_text(writer, at.master, contexts[0], vault.control_text(report["evaluation"]), sealed)


def _stated(report: Mapping[str, Any]) -> dict[str, Any]:
    """What the entry holds of the report."""
    names = ("evaluation", "suite", "base", "wrong", "questions", "scores", "recovery", "retention", "differences")
    return {name: report[name] for name in (*names, "canary", "cost")}


def _gates(writer: Writer, adapter: str, data: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every gate of every policy, as it stands with this evaluation."""
    evidence = facts.evidence(writer, facts.dossier(writer, adapter), newest=data)
    return [
        {
            "policy": policy.subject.id,
            "version": policy.data["version"],
            **result.gate.to_json(),
            "value": result.value,
            "passed": result.passed,
        }
        for policy in people_queries.policies(writer)
        for result in check_gates(policy.data, evidence)
    ]


def _texts(one: Asked, measured: Measured) -> bytes:
    """What was asked and said, to be sealed under the context: nothing that comes from another one."""
    rows = [
        {
            "id": question.id,
            "question": question.question,
            "answers": list(question.answers),
            "said": {
                method: answer
                for method, answer in measured.said.get(str(question.id), {}).items()
                if method != _CONTROL
            },
        }
        for question in one.questions
    ]
    return json.dumps(rows, ensure_ascii=False).encode()


def _with_answers(rows: Sequence[QuestionScore], answered: Sequence[QuestionScore]) -> list[QuestionScore]:
    better = {(row.question, row.method): row for row in answered}
    return [
        row.model_copy(update=_scored(better[key])) if (key := (row.question, row.method)) in better else row
        for row in rows
    ]


def _scored(row: QuestionScore) -> dict[str, float | None]:
    return {"f1": row.f1, "exact_match": row.exact_match, "contains": row.contains}


def _row(row: QuestionScore) -> dict[str, Any]:
    return {"question": row.question, "method": row.method, "nll": row.nll, **_scored(row)}


def _control(reader: Reader, row: adapter_queries.AdapterRow, contexts: Sequence[str]) -> str | None:
    """The newest adapter of the same base that shares no context with this one; None where there is none."""
    wanted = adapter_queries.AdapterFilter(base=row.base)
    for other in adapter_queries.find_adapters(reader, wanted, limit=20).rows:
        own = adapter_queries.contexts_of_adapter(reader, other.digest)
        if other.state != "retired" and other.generator == row.generator and not set(own) & set(contexts):
            return other.digest
    return None


def _source(asked: Sequence[Asked]) -> str:
    if not asked:
        return "general"
    return "derived" if all(one.derived for one in asked) else "given"
