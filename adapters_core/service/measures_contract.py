"""Requests and answers of evaluation and attribution. Nothing here needs torch."""

from typing import Any, Literal

from pydantic import Field, model_validator

from adapters_core.service.contract import Answer, Body, Digest, DocumentIn

Nats = float


class AttributeRequest(Body):
    """What to attribute: an adapter, and with a question its answer, to the context it was made from."""

    adapter: Digest
    documents: tuple[DocumentIn, ...] = Field(min_length=1, max_length=10_000)
    question: str | None = None
    answer: str | None = None
    steps: int = Field(default=8, ge=1, le=64, description="points of the integral over the adapter's amplitude")


class SpanOut(Answer):
    """A piece of the context with its share, or nats."""

    document: str
    start: int
    end: int
    value: float
    commitment: str | None = None


class BreakdownOut(Answer):
    """One attribution at every grain; each adds up to the same."""

    tokens: tuple[SpanOut, ...]
    sentences: tuple[SpanOut, ...]
    chunks: tuple[SpanOut, ...]
    documents: tuple[SpanOut, ...]


class SiteSharesOut(Answer):
    """What every piece of a breakdown is of one site, in its order."""

    tokens: tuple[float, ...]
    sentences: tuple[float, ...]
    chunks: tuple[float, ...]
    documents: tuple[float, ...]


class LeaveOneOutOut(Answer):
    """What changes without one chunk."""

    commitment: str
    document: str
    start: int
    end: int
    cosine: float
    change: float
    answer_effect: Nats | None


class AttributionAnswer(Answer):
    """Where an adapter comes from."""

    adapter: Digest
    shares: BreakdownOut
    sites: dict[str, SiteSharesOut]
    leave_one_out: tuple[LeaveOneOutOut, ...]
    answer: BreakdownOut | None
    log_probability: Nats | None
    log_probability_base: Nats | None
    residual: Nats | None


class QuestionIn(Body):
    """A question with its gold answers."""

    id: str | None = Field(default=None, max_length=200, description="its place, where none is given")
    question: str = Field(min_length=1, max_length=20_000)
    answers: tuple[str, ...] = Field(min_length=1, max_length=100)
    remembered: tuple[str, ...] = Field(default=(), description="what a model may remember instead; wrong here")


class EvaluateRequest(Body):
    """Questions to ask under chosen adapters, or a suite whose documents each get an adapter of their own."""

    questions: tuple[QuestionIn, ...] = ()
    suite: dict[str, Any] | None = Field(default=None, description="SQuAD format, as its JSON")
    methods: tuple[Literal["none", "prompt", "adapter", "wrong"], ...] = Field(
        default=(), description="all that can be measured, where none is named"
    )
    adapter: str | None = Field(default=None, description="name or digest; for questions")
    wrong: str | None = Field(default=None, description="control: name or digest of another context's adapter")
    context: str | None = Field(default=None, description="text for the method prompt; for questions")
    answers: bool = Field(default=False, description="also let the model answer (slow: one pass a token)")
    limit: int | None = Field(default=None, ge=1, description="most questions of a suite, drawn by the seed")
    seed: int = Field(default=0, ge=0, lt=2**32)

    @model_validator(mode="after")
    def _questions_or_suite(self) -> "EvaluateRequest":
        if bool(self.questions) == (self.suite is not None):
            raise ValueError("give either questions or a suite")
        if self.suite is not None and (self.adapter or self.wrong or self.context):
            raise ValueError("a suite brings its own contexts: adapter, wrong and context go with questions")
        if self.suite is None and self.limit is not None:
            raise ValueError("limit goes with a suite")
        needs = {"adapter": self.adapter, "wrong": self.wrong, "prompt": self.context}
        if self.suite is None and (missing := [m for m in self.methods if m in needs and needs[m] is None]):
            raise ValueError(f"methods {missing} need an adapter, a wrong adapter or a context")
        if len(set(self.methods)) != len(self.methods):
            raise ValueError("methods must be distinct")
        return self


class QuestionScore(Answer):
    """One question under one method."""

    question: str
    """Its id."""
    method: str
    nll: Nats
    """Of the first gold answer, per token."""
    answer: str | None
    """What the model says, greedily; null with the scores below where it was not asked to."""
    f1: float | None
    exact_match: float | None
    contains: float | None
    remembered: float | None


class QuestionsAnswer(Answer):
    """Questions, asked under each method."""

    kind: Literal["questions"] = "questions"
    base: Digest
    adapter: Digest | None
    wrong: Digest | None
    nll: dict[str, Nats]
    """Mean by method."""
    questions: tuple[QuestionScore, ...]


class SuiteAnswer(Answer):
    """The report of an evaluation, as ``ringi evaluate --json`` writes it."""

    kind: Literal["suite"] = "suite"
    report: dict[str, Any]
