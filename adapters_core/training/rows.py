"""Rows of every objective, drawn by (seed, step, row): the same on every machine and after every resume."""

import bisect
import itertools
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from adapters_core.data.batching import Ids, TrainingRow
from adapters_core.data.prompts import answer_ids, prompted_ids, question_ids
from adapters_core.data.tokens import text_ids
from adapters_core.errors import InputError
from adapters_core.training.settings import OBJECTIVES, TrainingSettings

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_CHARACTERS_PER_TOKEN = 6
_TRIES = 50
_UNRELATED_PREFIX = 8
_UNRELATED_DOCUMENTS = 0.5
"""Share of unrelated rows of one chunk whose adapter is made from an invented document, where questions are trained:
what they teach must not leak either."""


class QuestionExample(Protocol):
    """A question on a context (as in :mod:`adapters_core.data.examples`)."""

    @property
    def context(self) -> str: ...  # noqa: D102
    @property
    def question(self) -> str: ...  # noqa: D102
    @property
    def answer(self) -> str: ...  # noqa: D102


@dataclass(frozen=True, kw_only=True)
class Passage:
    """A text to train on."""

    source: str
    text: str


class RowSource:
    """Draws rows from passages and question examples."""

    def __init__(
        self,
        tokenizer: "PreTrainedTokenizerBase",
        settings: TrainingSettings,
        *,
        passages: Iterable[Passage],
        question_examples: Callable[[int], Sequence[QuestionExample]] | None = None,
    ) -> None:
        """Index the passages; short ones of a source are read on into the next of that source.

        Args:
            tokenizer: the base's.
            settings: of the run.
            passages: texts for reconstruction, completion and unrelated rows.
            question_examples: the examples on the document of an index, for question rows.

        Raises:
            InputError: an objective of the mixture has nothing to draw from.
        """
        self.tokenizer = tokenizer
        self.settings = settings
        self.passages = sorted(passages, key=lambda p: p.source)
        self.ends = list(itertools.accumulate(len(p.text) for p in self.passages))
        self.question_examples = question_examples
        wanted = {name for name, o in settings.objectives.items() if o.share > 0}
        self.asks = "question" in wanted
        if wanted - {"question"} and not self.passages:
            raise InputError(f"objectives {sorted(wanted - {'question'})} need passages, got none")
        if "question" in wanted and question_examples is None:
            raise InputError("the objective 'question' needs question examples, got none")

    def batch(
        self, step: int, part: int = 0, *, objective: str | None = None, rows: int | None = None
    ) -> list[TrainingRow]:
        """The rows of one micro-batch.

        Args:
            step: of the run; negative steps are for validation.
            part: which micro-batch of the step (accumulation and processes).
            objective: fixed, or drawn by share.
            rows: how many; None: as many as the settings say.

        Raises:
            InputError: an unknown objective, or the corpus has no passage that is long enough.
        """
        if objective is not None and objective not in OBJECTIVES:
            raise InputError(f"an objective must be one of {OBJECTIVES}, got {objective!r}")
        rng = random.Random(f"{self.settings.seed}/{step}/{part}")
        shares = self.settings.objectives
        drawn = rng.choices(list(shares), [o.share for o in shares.values()])[0]
        name = objective or drawn
        tokens = rng.choice(self.settings.context_tokens)
        chunks = rng.choice(self.settings.chunks_per_row)
        wanted = rows or self.settings.batch_rows
        if name == "question":
            return self._questions(rng, max(2, wanted // 2))
        targets = 1 if name == "completion" else self.settings.targets_per_context
        contexts = wanted if targets == 1 else max(2, wanted // 2)
        return [row for _ in range(contexts) for row in self._text_rows(name, rng, tokens, chunks, targets)]

    def start_texts(self, tokens: int) -> Iterator[Ids]:
        """Texts of so many tokens together, of the kinds that the mixture reads, for a start in closed form."""
        rng = random.Random(f"{self.settings.seed}/start")
        asked = self.settings.objectives.get("question")
        share = asked.share / sum(o.share for o in self.settings.objectives.values()) if asked else 0.0
        drawn = 0
        while drawn < tokens:
            question = rng.random() < share
            ids = self._document(rng)[0] if question else self._window(rng, max(self.settings.context_tokens))
            drawn += len(ids)
            yield ids

    def _text_rows(
        self, objective: str, rng: random.Random, tokens: int, chunks: int, targets: int
    ) -> list[TrainingRow]:
        """Rows on one context, each with a target of its own."""
        size = min(self.settings.target_tokens, tokens)
        length = tokens * chunks
        window = self._window(rng, length + size + 1)
        context = tuple(window[i * tokens : (i + 1) * tokens] for i in range(chunks))
        if objective == "reconstruction":
            starts = [rng.randrange(0, length - size + 1) for _ in range(targets)]
            pieces = [(window[start : start + 1], window[start + 1 : start + size]) for start in starts]
            read = window[:length]
        elif objective == "completion":
            pieces = [(window[length : length + 1], window[length + 1 : length + 1 + size])]
            read = window[:length]
        else:
            if chunks == 1 and self.asks and rng.random() < _UNRELATED_DOCUMENTS:
                context = (self._document(rng)[0],)
            others = [self._window(rng, size + 1) for _ in range(targets)]
            seen = min(_UNRELATED_PREFIX, size)
            pieces = [(other[:seen], other[seen:]) for other in others]
            read = ()
        taught = objective == "unrelated" or shares_teacher(self.settings, objective)
        return [
            TrainingRow(
                objective=objective,
                chunks=context,
                prefix=prefix,
                answer=answer,
                teacher_prefix=read + prefix if taught else None,
            )
            for prefix, answer in pieces
        ]

    def _questions(self, rng: random.Random, documents: int) -> list[TrainingRow]:
        """Rows on several documents, those of a document in a row; a document is one chunk, cut nowhere."""
        rows: list[TrainingRow] = []
        for _ in range(documents):
            ids, examples = self._document(rng)
            asked = rng.sample(examples, min(len(examples), self.settings.questions_per_document))
            rows += [self._question(ids, example) for example in asked]
        return rows

    def _document(self, rng: random.Random) -> tuple[Ids, Sequence[QuestionExample]]:
        """A document that is short enough, and the questions on it."""
        if self.question_examples is None:
            raise InputError("no question examples were given")
        for _ in range(_TRIES):
            examples = self.question_examples(rng.randrange(2**48))
            ids = text_ids(self.tokenizer, examples[0].context)
            if len(ids) <= self.settings.question_context_tokens:
                return ids, examples
        raise InputError(f"no document of {_TRIES} has at most {self.settings.question_context_tokens} tokens")

    def _question(self, ids: Ids, example: QuestionExample) -> TrainingRow:
        teacher = None
        if shares_teacher(self.settings, "question"):
            teacher = prompted_ids(self.tokenizer, example.context, example.question)
        return TrainingRow(
            objective="question",
            chunks=(ids,),
            prefix=question_ids(self.tokenizer, example.question),
            answer=answer_ids(self.tokenizer, example.answer, end=True),
            teacher_prefix=teacher,
        )

    def _window(self, rng: random.Random, tokens: int) -> tuple[int, ...]:
        """A run of exactly so many tokens from a random place of the corpus, short passages joined."""
        for _ in range(_TRIES):
            place = rng.randrange(self.ends[-1])
            index = bisect.bisect_right(self.ends, place)
            offset = place - (self.ends[index] - len(self.passages[index].text))
            text = self._read(index, offset, tokens * _CHARACTERS_PER_TOKEN)
            ids = text_ids(self.tokenizer, text)
            if len(ids) >= tokens:
                start = rng.randrange(len(ids) - tokens + 1)  # a short passage is read from its beginning: see its end
                return ids[start : start + tokens]
        raise InputError(f"no place in the corpus has {tokens} tokens of one source: give longer passages")

    def _read(self, index: int, offset: int, characters: int) -> str:
        source = self.passages[index].source
        text = self.passages[index].text
        offset = text.rfind(" ", 0, offset) + 1 if len(text) > characters else 0
        parts, length = [text[offset : offset + characters]], len(text) - offset
        while length < characters and index + 1 < len(self.passages) and self.passages[index + 1].source == source:
            index += 1
            parts.append(self.passages[index].text[: characters - length])
            length += len(parts[-1])
        return "\n\n".join(parts)


def shares_teacher(settings: TrainingSettings, objective: str) -> bool:
    """Whether rows of an objective carry a teacher."""
    return settings.objectives[objective].distillation > 0 if objective in settings.objectives else False


def read_passages(records: Iterable[tuple[str, str]]) -> Sequence[Passage]:
    """Passages of (source, text) records; empty texts are left out."""
    return [Passage(source=source, text=text) for source, text in records if text.strip()]
