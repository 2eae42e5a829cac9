"""The protocol measures its parts, says which goals are met, and comes back from its file as it was."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapters_core.data.documents import Document
from adapters_core.errors import InputError
from adapters_core.evaluation.figures import protocol_figures
from adapters_core.evaluation.protocol import Findings, ProtocolSettings, further_chunks, mean_stream, run_protocol
from adapters_core.evaluation.table import protocol_markdown
from adapters_core.pipeline import GenerationCore
from tests.tiny_model import tiny_base, tiny_config, tiny_generator
from tests.tiny_suite import tiny_suite

TEXTS = tuple(
    Document(name=f"text {i}", text=f"Text {i} says that depot {i} opens at {i % 9} and closes late. " * 9)
    for i in range(3)
)


def core() -> GenerationCore:
    base = tiny_base()
    return GenerationCore(base, tiny_generator(base, tiny_config(chunk_tokens=2048)))


@pytest.fixture(scope="module")
def found() -> Findings:
    seen: list[str] = []
    settings = ProtocolSettings(
        texts=TEXTS,
        parts=("fictional", "perplexity", "stream"),
        methods=("none", "prompt", "adapter"),
        fictional=tiny_suite(),
    )
    findings = run_protocol(core(), settings, tell=lambda part, _done, _total: seen.append(part))
    assert list(dict.fromkeys(seen)) == ["fictional", "perplexity", "stream"]
    return findings


def test_the_control_is_there_though_nobody_asked_for_it(found: Findings) -> None:
    assert [summary.method for summary in found.reports["fictional"].methods] == ["none", "prompt", "adapter", "wrong"]


def test_every_goal_of_what_was_measured_is_judged(found: Findings) -> None:
    goals = {goal.name: goal for goal in found.goals()}

    assert set(goals) == {
        "specific recovery, fictional",
        "reconstruction perplexity, adapter / base",
        "completion perplexity, adapter / base",
    }
    assert not goals["specific recovery, fictional"].met  # random weights know nothing


def test_what_is_written_can_be_read(found: Findings, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text(json.dumps(found.to_json()))

    assert Findings.read(path) == found


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"reports": {"a": {}}}'])
def test_another_file_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text(content)

    with pytest.raises(InputError, match="protocol"):
        Findings.read(tmp_path / "report.json")


def test_the_tables_and_charts_are_those_of_what_was_measured(found: Findings, tmp_path: Path) -> None:
    text = protocol_markdown(found)

    assert "adapter of a wrong document" in text
    assert "NOT byte for byte" not in text
    names = {path.name for path in protocol_figures(found, tmp_path)}
    assert {"nll-fictional.svg", "perplexity.svg", "stream.svg"} <= names
    assert "lengths.svg" not in names


def test_the_average_stream_lies_between_its_facts(found: Findings) -> None:
    mean = mean_stream(found.streams)

    for place, point in enumerate(mean.points):
        values = [stream.points[place].nll for stream in found.streams]
        assert min(values) <= point.nll <= max(values)
    assert mean.erased_exactly
    with pytest.raises(InputError, match="at least one"):
        mean_stream(())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"parts": ("fictional", "poetry")}, "parts must be out of .* got poetry"),
        ({"parts": ("squad",)}, "give the files .*: squad"),
        ({"parts": ("perplexity", "conflicts")}, "conflicts, perplexity|perplexity, conflicts"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_anything_is(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ProtocolSettings(**changes)


def test_methods_without_the_adapter_are_refused_before_hours_of_work() -> None:
    with pytest.raises(InputError, match="missing: prompt, adapter"):
        ProtocolSettings(methods=("none", "lora"), parts=("fictional",))


def test_the_stream_goes_on_through_every_text_before_it_reads_one_further() -> None:
    texts = [
        Document(name="a", text="a" * 1700),
        Document(name="b", text="b" * 900),
        Document(name="c", text="c" * 300),
    ]

    assert [piece.name for piece in further_chunks(texts, 9)] == ["a 0", "b 0", "a 800"]
    assert [piece.name for piece in further_chunks(texts, 2)] == ["a 0", "b 0"]


def test_runs_of_other_parts_are_joined(found: Findings) -> None:
    questions = replace(found, perplexity=None, streams=())
    texts = replace(found, reports={})

    assert texts.joined([questions]) == found
    assert questions.joined([texts]) == found


def test_runs_of_different_generators_are_not_joined(found: Findings) -> None:
    report = found.reports["fictional"]
    other = replace(report, provenance=replace(report.provenance, generator="f" * 64))

    with pytest.raises(InputError, match="must be of one generator, got"):
        found.joined([replace(found, reports={"squad": other})])
