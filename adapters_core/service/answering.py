"""Answers for the OpenAI interface: a request becomes prompts, the model's pieces become its answers."""

import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from adapters_core.data.prompts import chat_ids
from adapters_core.data.tokens import text_ids
from adapters_core.errors import InputError, RingiError
from adapters_core.evaluation.scoring import end_tokens
from adapters_core.modeling.base_model import BaseModel
from adapters_core.modeling.lora import Pairs
from adapters_core.service.decoding import Piece, Prompt
from adapters_core.service.metrics import Metrics
from adapters_core.service.openai_contract import ChatRequest, CompletionRequest, SamplingRequest
from adapters_core.service.sampling import Sampling
from adapters_core.service.scheduler import Scheduler
from adapters_core.service.streams import Channel

COMPLETION_TOKENS = 16
"""Longest completion where none is asked for (OpenAI's default)."""


@dataclass(frozen=True, kw_only=True)
class AnswerLimits:
    """How long prompts and answers may be."""

    window: int
    """Tokens of a prompt and its answer together."""
    answer_tokens: int
    """Longest answer."""
    prompts: int
    """Prompts of one request."""


class Answering:
    """Asks the model."""

    def __init__(self, base: BaseModel, scheduler: Scheduler, limits: AnswerLimits, metrics: Metrics) -> None:
        """Ask through a scheduler."""
        self._base = base
        self._scheduler = scheduler
        self._limits = limits
        self._metrics = metrics
        self._end_ids = end_tokens(base)

    def chat_prompt(self, request: ChatRequest, pairs: Pairs | None) -> Prompt:
        """The prompt of a conversation.

        Raises:
            InputError: it does not fit the base's window or its template, or a value is out of its bounds.
        """
        messages = [
            {"role": "system" if m.role == "developer" else m.role, "content": m.content} for m in request.messages
        ]
        try:
            ids = chat_ids(self._base.require_tokenizer(), messages)
        except Exception as error:
            if type(error).__module__.partition(".")[0] != "jinja2":
                raise
            raise InputError(f"the base's chat template refuses this conversation: {error}") from error
        asked = request.max_completion_tokens or request.max_tokens
        top = (request.top_logprobs or 0) if request.logprobs else 0
        return self._prompt(ids, request, pairs, asked=asked, default=self._limits.answer_tokens, top=top)

    def completion_prompts(self, request: CompletionRequest, pairs: Pairs | None) -> list[Prompt]:
        """The prompts of a completion, one a continuation.

        Raises:
            InputError: as in :meth:`chat_prompt`; or there are too many, or a token id is none of the base's.
        """
        ids = self._completion_ids(request)
        if not 1 <= len(ids) <= self._limits.prompts:
            raise InputError(f"a request must have 1 to {self._limits.prompts} prompts, got {len(ids)}")
        if request.stream and len(ids) > 1:
            raise InputError(f"a stream carries one prompt, got {len(ids)}: send them one by one, or without stream")
        top = request.logprobs or 0
        return [
            self._prompt(one, request, pairs, asked=request.max_tokens, default=COMPLETION_TOKENS, top=top)
            for one in ids
        ]

    async def pieces(self, prompt: Prompt) -> AsyncGenerator[Piece]:
        """The answer, piece by piece; leaving early gives it up.

        Raises:
            RingiError: what ended it.
        """
        started, adapted = time.perf_counter(), "yes" if prompt.pairs else "no"
        channel: Channel[Piece | RingiError] = Channel()
        row = self._scheduler.answer(prompt, channel.put)
        self._metrics.prompt_tokens.labels(adapted).inc(len(prompt.token_ids))
        first = True
        try:
            while True:
                item = await channel.get()
                if isinstance(item, RingiError):
                    raise item
                if first:
                    self._metrics.first_token_seconds.observe(time.perf_counter() - started)
                    first = False
                self._metrics.answer_tokens.labels(adapted).inc()
                yield item
                if item.finish:
                    return
        finally:
            row.cancel()

    def token_text(self, token_id: int) -> str:
        """A token as text, special ones by their names."""
        return str(self._base.require_tokenizer().decode([token_id]))

    def _completion_ids(self, request: CompletionRequest) -> list[tuple[int, ...]]:
        tokenizer = self._base.require_tokenizer()
        found = [text_ids(tokenizer, one) if isinstance(one, str) else one for one in _one_by_one(request.prompt)]
        size = self._base.vocab_size
        if any(not 0 <= token_id < size for ids in found for token_id in ids):
            raise InputError(f"token ids must lie in 0..{size - 1}")
        return found

    def _prompt(
        self,
        ids: tuple[int, ...],
        request: SamplingRequest,
        pairs: Pairs | None,
        *,
        asked: int | None,
        default: int,
        top: int,
    ) -> Prompt:
        room = self._limits.window - len(ids)
        if room < 1:
            raise InputError(
                f"a prompt must leave room for an answer within {self._limits.window} tokens, it has {len(ids)}"
            )
        if asked is not None and asked > min(room, self._limits.answer_tokens):
            raise InputError(
                f"max_tokens must be at most {min(room, self._limits.answer_tokens)} after a prompt of {len(ids)} "
                f"tokens, got {asked}"
            )
        return Prompt(
            token_ids=ids,
            pairs=pairs,
            sampling=Sampling(
                temperature=1.0 if request.temperature is None else request.temperature,
                top_p=1.0 if request.top_p is None else request.top_p,
                seed=request.seed,
                top_logprobs=top,
            ),
            max_tokens=asked or min(room, default),
            stop=request.stop,
            end_ids=frozenset() if request.ignore_eos else self._end_ids,
        )


def _one_by_one(
    prompt: str | tuple[int, ...] | tuple[str, ...] | tuple[tuple[int, ...], ...],
) -> list[str | tuple[int, ...]]:
    """The prompts of a request, each as text or as token ids."""
    if isinstance(prompt, str):
        return [prompt]
    ids = tuple(one for one in prompt if isinstance(one, int))
    return [ids] if ids else [one for one in prompt if not isinstance(one, int)]
