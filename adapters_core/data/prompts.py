"""How questions, contexts and answers become token ids: one place for training, evaluation and the service."""

from typing import TYPE_CHECKING

from adapters_core.errors import InputError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

INSTRUCTION = "Answer with a short phrase."


def text_ids(tokenizer: "PreTrainedTokenizerBase", text: str) -> tuple[int, ...]:
    """Token ids of plain text, nothing added."""
    return tuple(tokenizer(text, add_special_tokens=False)["input_ids"])


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
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    return text_ids(tokenizer, str(text))
