"""ringi evaluate on a tiny base and a suite of two documents."""

import json
import re
from pathlib import Path

import pytest

from adapters_core.cli.main import main
from tests.full_disk import NoMountError, mounted
from tests.tiny_files import TinyFiles, write_tiny_files

DOCUMENTS = {
    "depot": ("The Kanazawa depot closes at nine.", "When does the depot close?", "nine"),
    "keys": ("Ms Mori keeps the keys of the archive.", "Who keeps the keys?", "Ms Mori"),
}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TinyFiles:
    return write_tiny_files(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def suite(tmp_path: Path) -> str:
    data = [
        {
            "title": name,
            "paragraphs": [
                {
                    "context": context,
                    "qas": [
                        {
                            "id": name,
                            "question": question,
                            "answers": [{"text": answer, "answer_start": context.index(answer)}],
                        }
                    ],
                }
            ],
        }
        for name, (context, question, answer) in DOCUMENTS.items()
    ]
    path = tmp_path / "suite.json"
    path.write_text(json.dumps({"version": "1.1", "data": data}))
    return f"squad:{path}"


def test_the_report_has_every_method_and_the_control(
    tiny: TinyFiles, suite: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["evaluate", "--suite", suite, "--methods", "none,prompt,adapter", "--measure", "retention"]
    assert main([*arguments, "--out", str(tmp_path / "report"), "--json", *tiny.options]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [method["method"] for method in found["report"]["methods"]] == ["none", "prompt", "adapter", "wrong"]
    assert found["retention"] is not None
    assert found["cost"] is None
    written = {path.name for path in (tmp_path / "report").iterdir()}
    assert {"report.json", "report.md"} <= written
    shown = re.findall(r"!\[.+?\]\((.+?)\)", (tmp_path / "report" / "report.md").read_text())
    assert set(shown) == written - {"report.json", "report.md"}
    assert "retention.svg" in shown


def test_the_table_is_for_people(tiny: TinyFiles, suite: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["evaluate", "--suite", suite, "--methods", "none,prompt,adapter,wrong", "--measure", "none"]
    assert main([*arguments, *tiny.options]) == 0
    assert "wrong" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--methods", "none,magic"], "magic"),
        (["--measure", "speed"], "speed"),
        (["--suite", "squad:nowhere.json"], "nowhere.json"),
        (["--suite", "trivia"], "trivia"),
    ],
)
def test_what_is_unknown_is_refused_by_name(
    tiny: TinyFiles, suite: str, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", "--suite", suite, "--measure", "none", *arguments, *tiny.options]) == 2
    assert said in capsys.readouterr().err


def test_a_full_disk_is_a_storage_error_and_leaves_no_report(
    tiny: TinyFiles, suite: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        with mounted(tmp_path / "disk", kibibytes=8) as disk:
            arguments = ["evaluate", "--suite", suite, "--methods", "none", "--measure", "none", "--json"]
            assert main([*arguments, "--out", str(disk / "report"), *tiny.options]) == 4
            assert list(disk.iterdir()) == []
    except NoMountError as error:
        pytest.skip(f"cannot mount a small disk here: {error}")

    assert "No space left on device" in json.loads(capsys.readouterr().out)["error"]["message"]


@pytest.mark.parametrize("methods", ["none,magic", "none,none", "", "none,,wrong"])
@pytest.mark.parametrize("command", ["evaluate", "demo"])
def test_methods_that_there_are_not_are_refused_before_the_model_is_loaded(
    command: str, methods: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, "--methods", methods, "--out", str(tmp_path / "out"), "--base", "/nothing/here"]) == 2
    assert "--methods must be distinct ones out of none, prompt, adapter" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_demo_refuses_a_report_folder_of_something_else_before_its_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "diary.txt").write_text("mine")
    assert main(["demo", "--out", str(tmp_path), "--base", "/nothing/here"]) == 2
    assert "it holds ['diary.txt']" in capsys.readouterr().err
    assert [path.name for path in tmp_path.rglob("*.txt")] == ["diary.txt"]
