"""The model's pieces in the forms of the OpenAI interface."""

import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from adapters_core.service.decoding import Piece, Prompt
from adapters_core.service.openai_contract import (
    ChatAnswer,
    ChatChoice,
    ChatChunk,
    ChatChunkChoice,
    ChatCompletion,
    ChatDelta,
    ChatLogprobs,
    Completion,
    CompletionChoice,
    CompletionLogprobs,
    TokenLogprob,
    TopLogprob,
    Usage,
)
from adapters_core.service.sampling import Token

LOWEST_LOGPROB = -9999.0
"""Stands for minus infinity, which JSON cannot write."""
TokenText = Callable[[int], str]


@dataclass(frozen=True, kw_only=True)
class Heading:
    """What all answers to one request begin with."""

    id: str
    created: int
    model: str

    @classmethod
    def new(cls, kind: str, model: str) -> "Heading":
        """A heading of its own, now."""
        return cls(id=f"{kind}-{uuid.uuid4().hex}", created=int(time.time()), model=model)


def usage(prompts: Sequence[Prompt], tokens: int) -> Usage:
    """Tokens of prompts and of their answers."""
    read = sum(len(prompt.token_ids) for prompt in prompts)
    return Usage(prompt_tokens=read, completion_tokens=tokens, total_tokens=read + tokens)


def chat_completion(
    heading: Heading, prompt: Prompt, pieces: Sequence[Piece], text: TokenText | None
) -> ChatCompletion:
    """A whole answer; logprobs where a function that names tokens is given."""
    choice = ChatChoice(
        message=ChatAnswer(content="".join(piece.text for piece in pieces)),
        logprobs=_chat_logprobs([piece.token for piece in pieces], text),
        finish_reason=pieces[-1].finish or "stop",
    )
    return ChatCompletion(
        id=heading.id,
        created=heading.created,
        model=heading.model,
        choices=(choice,),
        usage=usage([prompt], len(pieces)),
    )


def chat_opening(heading: Heading) -> ChatChunk:
    """The first event of a stream: who speaks."""
    return _chat_chunk(heading, ChatChunkChoice(delta=ChatDelta(role="assistant", content="")))


def chat_chunk(heading: Heading, piece: Piece, text: TokenText | None) -> ChatChunk:
    """One piece of an answer."""
    return _chat_chunk(
        heading,
        ChatChunkChoice(
            delta=ChatDelta(content=piece.text),
            logprobs=_chat_logprobs([piece.token], text),
            finish_reason=piece.finish,
        ),
    )


def chat_usage(heading: Heading, found: Usage) -> ChatChunk:
    """The last event of a stream that was asked to count."""
    return ChatChunk(id=heading.id, created=heading.created, model=heading.model, choices=(), usage=found)


def completion(heading: Heading, choices: Sequence[CompletionChoice], found: Usage | None = None) -> Completion:
    """Continuations, whole or a piece of one."""
    return Completion(id=heading.id, created=heading.created, model=heading.model, choices=tuple(choices), usage=found)


def completion_choice(
    index: int, pieces: Sequence[Piece], text: TokenText | None, *, offset: int = 0
) -> CompletionChoice:
    """One continuation, or some pieces of it that begin ``offset`` characters into it."""
    return CompletionChoice(
        index=index,
        text="".join(piece.text for piece in pieces),
        logprobs=_completion_logprobs(pieces, text, offset) if text else None,
        finish_reason=pieces[-1].finish,
    )


def _chat_chunk(heading: Heading, choice: ChatChunkChoice) -> ChatChunk:
    return ChatChunk(id=heading.id, created=heading.created, model=heading.model, choices=(choice,))


def _chat_logprobs(tokens: Sequence[Token], text: TokenText | None) -> ChatLogprobs | None:
    if text is None:
        return None
    return ChatLogprobs(content=tuple(_token_logprob(token, text) for token in tokens))


def _token_logprob(token: Token, text: TokenText) -> TokenLogprob:
    top = tuple(_top_logprob(token_id, value, text) for token_id, value in token.top)
    own = _top_logprob(token.token_id, token.logprob, text)
    return TokenLogprob(token=own.token, logprob=own.logprob, bytes=own.bytes, top_logprobs=top)


def _top_logprob(token_id: int, value: float, text: TokenText) -> TopLogprob:
    name = text(token_id)
    return TopLogprob(token=name, logprob=max(value, LOWEST_LOGPROB), bytes=tuple(name.encode()))


def _completion_logprobs(pieces: Sequence[Piece], text: TokenText, offset: int) -> CompletionLogprobs:
    offsets, tops = [], []
    for piece in pieces:
        offsets.append(offset)
        offset += len(piece.text)
        # the token itself is always among them, as the OpenAI interface has it
        pairs = [*piece.token.top, (piece.token.token_id, piece.token.logprob)]
        tops.append({text(token_id): max(value, LOWEST_LOGPROB) for token_id, value in pairs})
    return CompletionLogprobs(
        tokens=tuple(text(piece.token.token_id) for piece in pieces),
        token_logprobs=tuple(max(piece.token.logprob, LOWEST_LOGPROB) for piece in pieces),
        top_logprobs=tuple(tops),
        text_offset=tuple(offsets),
    )
