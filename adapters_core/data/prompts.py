"""How questions, contexts and answers become token ids: one place for training, evaluation and the service."""

import re
from typing import TYPE_CHECKING

from adapters_core.data.tokens import template_ids, text_ids
from adapters_core.errors import InputError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_OPEN, _CLOSE = "\ue000", "\ue001"
"""Private-use characters around the number of a message, where its content goes into the template."""
INSTRUCTION = "Answer with a short phrase."


def question_ids(tokenizer: "PreTrainedTokenizerBase", question: str) -> tuple[int, ...]:
    """The prompt that asks a question without any context."""
    return chat_ids(tokenizer, [{"role": "user", "content": f"{question}\n{INSTRUCTION}"}])


def prompted_ids(tokenizer: "PreTrainedTokenizerBase", context: str, question: str) -> tuple[int, ...]:
    """The prompt that asks a question with the context in it."""
    return chat_ids(tokenizer, [{"role": "user", "content": f"{context}\n\n{question}\n{INSTRUCTION}"}])


def answer_ids(tokenizer: "PreTrainedTokenizerBase", answer: str, *, end: bool) -> tuple[int, ...]:
    """An answer as the assistant would write it; with ``end``, the token that ends its turn follows."""
    ids = text_ids(tokenizer, answer)
    return (*ids, tokenizer.eos_token_id) if end and tokenizer.eos_token_id is not None else ids


def chat_ids(tokenizer: "PreTrainedTokenizerBase", messages: list[dict[str, str]]) -> tuple[int, ...]:
    """A conversation in the base's chat template, up to where the assistant speaks.

    A base without a chat template gets the messages as plain paragraphs.

    Raises:
        InputError: no message, or one without a role and content.
    """
    if not messages or any("role" not in m or "content" not in m for m in messages):
        raise InputError("a conversation needs at least one message, each with a role and content")
    if tokenizer.chat_template is None:
        body = "\n\n".join(message["content"] for message in messages)
        return text_ids(tokenizer, f"{body}\n\nAnswer:")
    if not _spells_control_token(tokenizer, messages):
        return template_ids(tokenizer, _rendered(tokenizer, messages))
    rendered = _rendered(tokenizer, [{**m, "content": f"{_OPEN}{index}{_CLOSE}"} for index, m in enumerate(messages)])
    ids: list[int] = []
    for place, part in enumerate(re.split(f"{_OPEN}(\\d+){_CLOSE}", rendered)):
        is_content = place % 2 == 1
        ids += text_ids(tokenizer, messages[int(part)]["content"]) if is_content else template_ids(tokenizer, part)
    return tuple(ids)


def _rendered(tokenizer: "PreTrainedTokenizerBase", messages: list[dict[str, str]]) -> str:
    return str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))


def _spells_control_token(tokenizer: "PreTrainedTokenizerBase", messages: list[dict[str, str]]) -> bool:
    """Whether a message spells a control token: it must not end its own turn or begin one of the system."""
    return any(token in message["content"] for message in messages for token in tokenizer.all_special_tokens)
