"""Contexts and the work on them: what is kept where, what is queued, what is erased."""

from typing import Any

import pytest

from adapters_core.errors import ContextError, DeniedError, ErasedError, InputError
from adapters_core.ledger import job_queries, marks, outbox_queries, queries, vault
from adapters_core.ledger.records import Subject
from governance.installation import installation
from governance.services.erase import erase
from governance.services.erase_context import erase_context
from governance.services.evaluate import evaluate
from governance.services.extend import extend
from governance.services.generate import generate
from governance.services.hold_context import hold_context, release_context
from governance.services.retire import retire
from governance.services.submit_context import MAX_BYTES, language_of
from tests.cast import HANAKO, MISAKI, NAOKO, TARO, YUKI
from tests.factories import adapters
from tests.factories.adapters import TEXT, submit
from tests.factories.installations import Place


def test_the_text_lies_in_the_vault_and_not_in_the_ledger(place: Place) -> None:
    context = submit(place)

    with place.ledger.read() as db:
        history = queries.history(db, Subject(kind="context", id=context))
        assert vault.open_text(db, installation().master_key, context).decode() == TEXT
    assert "三千円" not in "".join(entry.body for entry in history)
    assert len(history[0].data["chunk_commitments"]) == 2


def test_personal_data_is_counted_and_needs_a_reason(place: Place) -> None:
    text = "担当: yamada@example.co.jp 電話 03-1234-5678"
    with pytest.raises(ContextError, match="email 1, phone 1"):
        submit(place, text=text)

    context = submit(place, text=text, personal_data_reason="公開されている窓口")

    with place.ledger.read() as db:
        scanned = queries.history(db, Subject(kind="context", id=context))[0].data["scan"]
    assert scanned == {"found": {"email": 1, "phone": 1, "my_number": 0, "card": 0}, "reason": "公開されている窓口"}


@pytest.mark.parametrize(
    ("title", "text", "named"),
    [
        ("", "text", "1 to 200 characters"),
        ("t" * 201, "text", "1 to 200 characters"),
        ("title", " \n", "must hold text"),
        ("title", "a\0b", "no NUL"),
        ("title", "\ud800", "valid Unicode"),
        ("title", "a" * (MAX_BYTES + 1), "at most"),
    ],
)
def test_what_is_no_context_is_refused(place: Place, title: str, text: str, named: str) -> None:
    with pytest.raises(ContextError, match=named):
        submit(place, title=title, text=text)


def test_only_engineers_submit(place: Place) -> None:
    with pytest.raises(DeniedError):
        submit(place, NAOKO)


@pytest.mark.parametrize(("text", "language"), [("これは", "ja"), ("plain", "en"), ("123", None)])
def test_the_language_is_told_by_its_letters(text: str, language: str | None) -> None:
    assert language_of(text) == language


def test_the_same_generation_is_the_same_job(place: Place) -> None:
    context = submit(place)
    first, second = (generate(place.actor(HANAKO), context=context) for _ in range(2))

    assert first.job == second.job
    assert first.payload == {"context": context, "name": "旅費規程", "decay": 1.0}
    with place.ledger.read() as db:
        assert len(job_queries.find_jobs(db)) == 1


def test_another_generator_makes_another_job(place: Place) -> None:
    context, digest = submit(place), adapters.generate(place)
    hanako = place.actor(HANAKO)

    def jobs() -> list[str]:
        made = generate(hanako, context=context), extend(hanako, adapter=digest, context=context)
        return [job.job for job in made]

    before = jobs()
    with place.ledger.write() as tx:
        marks.note(tx, marks.CORE_GENERATOR, "a" * 64)
    after = jobs()

    assert not set(before) & set(after)
    assert jobs() == after


def test_extending_and_evaluating_queue_jobs(place: Place) -> None:
    digest, other = adapters.generate(place), submit(place, title="追補")

    assert extend(place.actor(HANAKO), adapter=digest, context=other).kind == "extend"
    assert evaluate(place.actor(HANAKO), adapter=digest).payload["suite"] == "context"
    with pytest.raises(InputError, match="a suite is one of"):
        evaluate(place.actor(HANAKO), adapter=digest, suite="anything")


def test_an_adapter_of_one_context_is_retired_rather_than_emptied(place: Place) -> None:
    context = submit(place)
    digest = adapters.generate(place, context=context)

    with pytest.raises(InputError, match="one of several contexts"):
        erase(place.actor(HANAKO), adapter=digest, context=context)


CHUNKS = ["1" * 64, "2" * 64, "3" * 64]


def chunked(place: Place) -> str:
    """An adapter of two contexts and three chunks."""
    parts = [(submit(place), CHUNKS[:2]), (submit(place), CHUNKS[2:])]
    stated = [{"id": one, "commitment": "c" * 64, "chunk_commitments": chunks} for one, chunks in parts]
    return adapters.generate(place, contexts=stated)


def test_single_chunks_are_erased_from_an_adapter(place: Place) -> None:
    digest = chunked(place)

    job = erase(place.actor(HANAKO), adapter=digest, chunks=[CHUNKS[2], CHUNKS[0]], name="二つ抜き")

    assert job.payload == {"adapter": digest, "chunks": [CHUNKS[0], CHUNKS[2]], "name": "二つ抜き"}
    assert erase(place.actor(HANAKO), adapter=digest, chunks=[CHUNKS[0], CHUNKS[2]]).job == job.job
    assert erase(place.actor(HANAKO), adapter=digest, chunks=[CHUNKS[0]]).job != job.job


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ({"chunks": CHUNKS}, "leaves no adapter"),
        ({"chunks": ["4" * 64]}, "chunks must be of the adapter"),
        ({"chunks": [CHUNKS[0], ""]}, "chunks must be of the adapter"),
        ({"chunks": CHUNKS[:1], "context": "x"}, "not both"),
        ({}, "one of several contexts"),
    ],
)
def test_what_cannot_be_erased_is_refused(place: Place, named: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        erase(place.actor(HANAKO), adapter=chunked(place), **named)
    with place.ledger.read() as db:
        assert job_queries.find_jobs(db) == ()


def test_erasing_takes_the_text_and_leaves_the_chain(place: Place) -> None:
    context = submit(place)

    erase_context(place.actor(HANAKO), context=context, legal_basis="本人の請求")

    with place.ledger.read() as db:
        with pytest.raises(ErasedError):
            vault.open_text(db, installation().master_key, context)
        events = [entry.event for entry in queries.history(db, Subject(kind="context", id=context))]
    assert events == ["context:submitted", "context:erased"]
    with pytest.raises(DeniedError) as refused:
        generate(place.actor(HANAKO), context=context)
    assert refused.value.reason_code == "context_erased"


def test_files_of_an_adapter_that_was_retired_before_are_deleted_too(place: Place) -> None:
    context = submit(place)
    digest = adapters.generate(place, context=context)
    retire(place.actor(HANAKO), adapter=digest, reason="古い")

    assert erase_context(place.actor(HANAKO), context=context, legal_basis="本人の請求") == ()

    with place.ledger.read() as db:
        (message,) = outbox_queries.find_messages(db, topics=("artifact.delete",))
    assert message.key == digest


def test_a_legal_hold_stands_against_erasure_until_it_ends(place: Place) -> None:
    context = submit(place)
    hold_context(place.actor(YUKI), context=context, reason="係争中")
    with pytest.raises(DeniedError) as refused:
        erase_context(place.actor(MISAKI), context=context, legal_basis="本人の請求")
    assert refused.value.reason_code == "context_held"

    release_context(place.actor(YUKI), context=context, reason="終結")
    erase_context(place.actor(MISAKI), context=context, legal_basis="本人の請求")


def test_an_engineer_does_not_erase_what_another_submitted(place: Place) -> None:
    with pytest.raises(DeniedError) as refused:
        erase_context(place.actor(TARO), context=submit(place), legal_basis="本人の請求")

    assert refused.value.reason_code == "not_owner"
