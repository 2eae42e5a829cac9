"""Contexts: submit a text to generate adapters from, and read what is recorded of it. Texts are never answered."""

from datetime import date
from typing import Annotated, Any, Literal

from django.core.exceptions import ValidationError
from django.http import HttpRequest
from ninja import File, Form, Query, Router, Status, UploadedFile
from pydantic import Field

from adapters_core.errors import ContextError
from adapters_core.ledger import adapter_queries, context_queries, queries
from adapters_core.ledger.context_queries import ContextFilter, ContextRow
from adapters_core.ledger.transactions import Reader
from governance.api.fields import TEXT, Before, Day, Given, Limit, Line, Moment, Name, Record, Wanted, Words
from governance.api.jobs import JobOut
from governance.api.reading import actor_of, look_up, page, read
from governance.forms.contexts import read_questions, read_text
from governance.services.generate import generate
from governance.services.submit_context import MAX_QUESTIONS, submit_context

router = Router(tags=["contexts"])
State = Literal["active", "held", "erased"]
Title = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x1f\x7f]*$", max_length=200)]
Why = Annotated[str, Field(pattern=TEXT, max_length=1000)]
Answer = Annotated[str, Field(pattern=TEXT, min_length=1, max_length=1000)]


class Question(Given):
    """A question to evaluate adapters by."""

    question: Answer
    answers: list[Answer] = Field(min_length=1, max_length=20)
    """All of them count as right."""


class ContextIn(Given):
    """A text with what to call it."""

    title: Title
    """What people call it. It stays in the ledger for ever, also when the text is erased: no personal data."""
    text: str = Field(pattern=TEXT, min_length=1)
    """At most 2 MiB in UTF-8; blank lines separate chunks."""
    questions: list[Question] = Field(default=[], max_length=MAX_QUESTIONS)
    """Kept with the text; where there are none, sentences of the text are used."""
    retention_until: Day | None = None
    """After which it is to be erased."""
    personal_data_reason: Why = ""
    """Why it may be used although personal data are found in it."""


class ContextFileIn(Given):
    """What comes along with a file."""

    title: Title
    """What people call it. It stays in the ledger for ever, also when the text is erased: no personal data."""
    questions: Annotated[str, Field(pattern=TEXT, max_length=100_000)] = ""
    """One a line: question | answer | further right answer."""
    retention_until: Day | None = None
    personal_data_reason: Why = ""


class GenerateIn(Given):
    """What to call the adapter."""

    name: Line = ""
    """The context's title unless given. It stays in the ledger for ever: no personal data."""


class Context(Record):
    """What is recorded of a context."""

    context: str
    seq: int
    """Of the entry that submitted it."""
    time: Moment
    title: str
    state: State
    """`held`: under legal hold."""
    characters: int
    bytes: int
    language: str | None
    retention_until: date | None
    actor: str
    actor_name: str


class Scan(Record):
    """What the search for personal data found: by form, so it misses things."""

    found: dict[str, int]
    """Kind (email, phone, my_number, card) -> how often."""
    reason: str | None
    """Why it may be used nevertheless."""


class ContextDetail(Context):
    """A context with its scan and what was made from it."""

    scan: Scan
    chunks: int
    questions: int
    commitment: str
    """Keyed digest of the text: binds to it and says nothing of it."""
    adapters: list[str]
    """Digests of all that were built from it, oldest first."""


class Contexts(Record):
    """A page of contexts, newest first."""

    rows: list[Context]
    next: int | None
    """Hand it in as `before`; null on the last page."""


@router.get("", response=Contexts)
def list_contexts(
    request: HttpRequest,
    *,
    q: Words = "",
    state: Annotated[State | None, Query()] = None,
    actor: Wanted = None,
    before: Before = None,
    limit: Limit = 50,
) -> object:
    """Contexts: titles and sizes, never texts."""
    wanted = ContextFilter(text=q or None, states=(state,) if state else (), actor=actor)

    def look(db: Reader) -> tuple[ContextRow, ...]:
        return context_queries.find_contexts(db, wanted, before=before, limit=limit + 1)

    return page(read(request, look), limit, lambda row: row.seq)


@router.post("", response={201: ContextDetail})
def submit(request: HttpRequest, body: ContextIn) -> Status[object]:
    """Submit a text. The answer says what the search for personal data found."""
    questions = [one.model_dump() for one in body.questions]
    return _submitted(request, body.text, questions, body)


@router.post("/file", response={201: ContextDetail})
def submit_file(request: HttpRequest, body: Form[ContextFileIn], file: File[UploadedFile]) -> Status[object]:
    """Submit a text file (.txt or .md) in UTF-8, at most 2 MiB."""
    try:
        text = read_text(file)
        questions = read_questions([line.strip() for line in body.questions.splitlines() if line.strip()])
    except ValidationError as error:
        raise ContextError(" ".join(error.messages)) from error
    return _submitted(request, text, questions, body)


@router.get("/{identifier}", response=ContextDetail)
def read_context(request: HttpRequest, identifier: Name) -> object:
    """One context."""
    return read(request, lambda db: detail(db, identifier))


@router.post("/{identifier}/adapters", response={202: JobOut})
def generate_adapter(request: HttpRequest, identifier: Name, body: GenerateIn) -> Status[object]:
    """Queue the generation of an adapter. The same context under the same code is the same job."""
    return Status(202, generate(actor_of(request), context=identifier, name=body.name))


def detail(db: Reader, identifier: str) -> dict[str, Any]:
    """A context with what its entry says."""
    row = context_queries.context(db, identifier)
    said = queries.entry(db, row.seq).data
    return {
        **vars(row),
        "scan": said["scan"],
        "chunks": len(said["chunk_commitments"]),
        "questions": said.get("questions", 0),
        "commitment": said["commitment"],
        "adapters": [one.digest for one in adapter_queries.adapters_of_context(db, identifier)],
    }


def _submitted(
    request: HttpRequest, text: str, questions: list[dict[str, Any]], given: ContextIn | ContextFileIn
) -> Status[object]:
    identifier = submit_context(
        actor_of(request),
        title=given.title,
        text=text,
        questions=questions,
        retention_until=given.retention_until,
        personal_data_reason=given.personal_data_reason,
    )
    return Status(201, look_up(lambda db: detail(db, identifier)))
