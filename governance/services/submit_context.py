"""Submit a context: its text goes into the vault, its commitment and what the scan found into the ledger."""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any
from uuid import uuid4

from adapters_core.errors import ContextError, PersonalDataError
from adapters_core.ledger import vault
from governance.installation import installation
from governance.policy.actions import Action
from governance.policy.actors import Actor
from governance.policy.personal_data import counts, scan
from governance.policy.subjects import Anything
from governance.services import references
from governance.services.acting import Act, perform
from governance.services.recordable import check_text

MAX_BYTES = 2 * 2**20
MAX_QUESTIONS = 200
_KANA = re.compile(r"[\u3040-\u30ff]")
_LATIN = re.compile(r"[A-Za-z]")


def submit_context(
    actor: Actor,
    *,
    title: str,
    text: str,
    questions: Sequence[Mapping[str, Any]] = (),
    retention_until: date | None = None,
    personal_data_reason: str = "",
) -> str:
    """Submit a context; answers its id.

    Args:
        actor: who submits.
        title: what people call it. It is recorded in the ledger for ever: no personal data.
        text: the context itself.
        questions: [{"question": ..., "answers": [...]}] to evaluate its adapters by; kept with the text.
        retention_until: after which it is to be erased.
        personal_data_reason: why it may be used although the scan finds personal data in it.

    Raises:
        ContextError: it is empty or too long.
        PersonalDataError: it holds personal data, and no reason was given.
        DeniedError: the rules refuse.
    """
    data = _checked(title, text, questions)
    findings = counts(scan(text))
    if sum(findings.values()) and not personal_data_reason.strip():
        raise PersonalDataError(
            "a context with personal data needs a reason for its use: state personal_data_reason, or take them out",
            found=findings,
        )
    check_text(title, personal_data_reason)
    identifier = str(uuid4())
    chunks = [part.strip().encode() for part in re.split(r"\n\s*\n", text) if part.strip()]
    master = installation().master_key

    def work(act: Act) -> str:
        act.ask(Anything())
        commitments = vault.seal_context(act.tx, master, identifier, data, chunks)
        if questions:
            asked = json.dumps(list(questions), ensure_ascii=False).encode()
            vault.seal_text(act.tx, master, identifier, "questions", asked)
        act.append(
            "context:submitted",
            {
                "title": title.strip(),
                "commitment": commitments.commitment,
                "chunk_commitments": list(commitments.chunk_commitments),
                "bytes": len(data),
                "characters": len(text),
                "language": language_of(text),
                "scan": {"found": findings, "reason": personal_data_reason.strip() or None},
                "questions": len(questions),
                "retention_until": retention_until.isoformat() if retention_until else None,
            },
        )
        return identifier

    return perform(actor, Action.SUBMIT_CONTEXT, references.context(identifier), work)


def language_of(text: str) -> str | None:
    """``ja`` where there is kana, ``en`` where there are Latin letters only, None where there is neither."""
    if not text.isascii() and _KANA.search(text):
        return "ja"
    return "en" if _LATIN.search(text) else None


def _checked(title: str, text: str, questions: Sequence[Mapping[str, Any]]) -> bytes:
    if not 0 < len(title.strip()) <= 200:  # noqa: PLR2004  as long as a line on the page
        raise ContextError(f"a title must have 1 to 200 characters, got {len(title.strip())}")
    if not title.strip().isprintable():
        raise ContextError("a title must be one line without control characters")
    try:
        data = text.encode()
    except UnicodeEncodeError as error:
        raise ContextError("a context must be valid Unicode, got an unpaired surrogate") from error
    if not text.strip() or "\0" in text:
        raise ContextError("a context must hold text, and no NUL character")
    if len(data) > MAX_BYTES:
        raise ContextError(f"a context must have at most {MAX_BYTES} bytes, got {len(data)}: submit it in parts")
    if len(questions) > MAX_QUESTIONS:
        raise ContextError(f"a context takes at most {MAX_QUESTIONS} questions, got {len(questions)}")
    return data
