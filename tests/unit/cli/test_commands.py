"""The command line on a tiny base: what it writes, prints and refuses."""

import argparse
import json
import re
from pathlib import Path

import gguf
import pytest
import torch
from safetensors.torch import load_file

from adapters_core.artifact import CHUNKS, KEY, STATE, WEIGHTS, read_adapter
from adapters_core.cli.main import main, parser
from adapters_core.cli.options import SHIPPED
from adapters_core.data.prompts import question_ids
from adapters_core.errors import RingiError
from adapters_core.evaluation.scoring import greedy_answers
from adapters_core.modeling.base_model import load_base
from adapters_core.modeling.generator_file import load_generator
from adapters_core.versions import code_version
from tests.tiny_files import TinyFiles, write_tiny_files

REFERENCE = Path(__file__).parents[2] / "reference"
RULES = "Leave of five days carries over. The Kanazawa depot closes at nine. Mori keeps the keys of the depot."
MORE = "From April the Kanazawa depot closes at ten, and Sato keeps the keys."


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TinyFiles:
    return write_tiny_files(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    path = tmp_path / "rules.md"
    path.write_text(RULES)
    return path


@pytest.fixture
def adapter(tiny: TinyFiles, rules: Path, tmp_path: Path) -> Path:
    assert main(["generate", "--context", str(rules), "--out", str(tmp_path / "a"), *tiny.options]) == 0
    return tmp_path / "a"


def read(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    found = json.loads(capsys.readouterr().out)
    assert isinstance(found, dict)
    return found


def test_the_same_key_gives_the_same_digest(
    tiny: TinyFiles, rules: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = tmp_path / "key"
    key.write_text("ab" * 32)
    digests = []
    for name in ("one", "two"):
        arguments = ["--context", str(rules), "--out", str(tmp_path / name), "--key-file", str(key), "--json"]
        assert main(["generate", *arguments, *tiny.options]) == 0
        digests.append(read(capsys)["digest"])
    assert digests[0] == digests[1]


def test_erasing_what_was_added_restores_the_weights(
    tiny: TinyFiles, adapter: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = tmp_path / "more.md"
    more.write_text(MORE)
    extend = ["extend", str(adapter), "--context", str(more), "--out", str(tmp_path / "b")]
    assert main([*extend, *tiny.options]) == 0
    assert (tmp_path / "b" / WEIGHTS).read_bytes() != (adapter / WEIGHTS).read_bytes()
    erase = ["erase", str(tmp_path / "b"), "--document", "more.md", "--out", str(tmp_path / "c")]
    assert main([*erase, *tiny.options]) == 0
    assert (tmp_path / "c" / WEIGHTS).read_bytes() == (adapter / WEIGHTS).read_bytes()
    capsys.readouterr()
    assert main(["inspect", str(tmp_path / "c"), "--json"]) == 0
    identity = read(capsys)["identity"]
    assert isinstance(identity, dict)
    assert len(identity["erased"]) > 0
    assert identity["parent"] is not None


def test_inspect_shows_a_person_what_the_adapter_is(adapter: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(adapter)]) == 0
    shown = capsys.readouterr().out
    assert "all files are as the manifest says" in shown
    assert "rules.md" in shown


def test_attribution_adds_up_to_one(
    tiny: TinyFiles, adapter: Path, rules: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    question = ["--question", "When does the depot close?", "--answer", "at nine"]
    assert main(["attribute", str(adapter), "--context", str(rules), *question, "--json", *tiny.options]) == 0
    found = read(capsys)
    shares = found["shares"]
    assert isinstance(shares, dict)
    for grain in ("tokens", "sentences", "chunks", "documents"):
        assert sum(span["value"] for span in shares[grain]) == pytest.approx(1, abs=1e-5)
    answer = found["answer"]
    assert isinstance(answer, dict)
    gain = found["log_probability"] - found["log_probability_base"]  # type: ignore[operator]
    assert sum(span["value"] for span in answer["tokens"]) + found["residual"] == pytest.approx(gain, abs=1e-5)


def test_questions_are_answered_by_the_base_alone_and_with_the_adapter(
    tiny: TinyFiles, adapter: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    questions = ["When does the depot close?", "Who keeps the keys [of the depot]?"]
    ask = ["ask", str(adapter), *questions, "--answer-tokens", "6", "--base", str(tiny.base), "--threads", "1"]
    capsys.readouterr()
    assert main([*ask, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)

    base = load_base(tiny.base)
    prompts = [question_ids(base.require_tokenizer(), question) for question in questions]
    assert [row["question"] for row in rows] == questions
    for name, pairs in (("base", {}), ("adapter", read_adapter(adapter).pairs)):
        assert [row[name] for row in rows] == list(greedy_answers(base, prompts, adapters=pairs, max_new_tokens=6))
    assert [row["base"] for row in rows] != [row["adapter"] for row in rows]

    assert main(ask) == 0
    assert "keys [of the depot]?" in capsys.readouterr().out


def test_a_person_reads_shares_as_percentages_of_every_grain(
    tiny: TinyFiles, adapter: Path, rules: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert main(["attribute", str(adapter), "--context", str(rules), "--top", "2", *tiny.options]) == 0
    shown = capsys.readouterr().out
    for grain in ("document", "chunk", "sentence", "token"):
        assert f"share of the adapter, by {grain}" in shown
    assert "by sentence: 2 of 3" in shown
    assert "100.0%" in shown


def test_a_path_stays_in_one_piece_where_no_terminal_is(
    tiny: TinyFiles, rules: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "-".join(["a folder of a long name"] * 6)
    assert main(["generate", "--context", str(rules), "--out", str(out), *tiny.options]) == 0
    assert capsys.readouterr().err.splitlines() == [f"written to {out} (PEFT and vLLM load it as it is)"]
    assert main(["export", str(out), "--out", str(tmp_path / "b"), "--base", str(tiny.base)]) == 0
    assert "loses" not in capsys.readouterr().err
    assert main(["export", str(out), "--rank", "1", "--out", str(tmp_path / "c"), "--base", str(tiny.base)]) == 0
    assert "rank 1 loses" in capsys.readouterr().err


def test_brackets_and_colons_of_a_text_are_shown_as_they_are(
    tiny: TinyFiles, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    notes, folder = tmp_path / "notes [bold].md", tmp_path / "a [1]"
    notes.write_text("Names stand in [/etc/hosts] of the [red] kiln. Heed the :warning: beside it.")
    assert main(["generate", "--context", str(notes), "--out", str(folder), *tiny.options]) == 0
    assert "a [1]" in capsys.readouterr().err
    question = ["--question", "Where do [b]names[/b] stand?", "--answer", "[/etc/hosts]"]
    assert main(["attribute", str(folder), "--context", str(notes), *question, *tiny.options]) == 0
    shown = capsys.readouterr().out
    assert "[/etc/hosts] of the [red] kiln." in shown
    assert ":warning:" in shown
    assert main(["inspect", str(folder)]) == 0
    assert "notes [bold].md" in capsys.readouterr().out
    assert main(["inspect", str(tmp_path / "[/nothing]")]) == 2
    assert "[/nothing]" in capsys.readouterr().err


def test_attribution_refuses_another_text(tiny: TinyFiles, adapter: Path, tmp_path: Path) -> None:
    other = tmp_path / "rules.md.d"
    other.mkdir()
    (other / "rules.md").write_text(RULES.replace("nine", "ten!"))
    assert main(["attribute", str(adapter), "--context", str(other / "rules.md"), *tiny.options]) == 2


def test_the_reference_cases_conform(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["conform", *(str(path) for path in sorted(REFERENCE.glob("*.json"))), "--json"]) == 0
    assert read(capsys)["passed"] is True


def test_a_stricter_limit_than_float32_does_not_pass() -> None:
    assert main(["conform", str(REFERENCE / "case_truncated.json"), "--delta-limit", "1e-12"]) == 1


@pytest.mark.parametrize("form", ["peft", "gguf", "merged"])
def test_every_export_format_is_written(tiny: TinyFiles, adapter: Path, tmp_path: Path, form: str) -> None:
    out = tmp_path / f"export.{form}"
    options = [o for o in tiny.options if o != "--generator" and o != str(tiny.generator)]
    assert main(["export", str(adapter), "--format", form, "--out", str(out), *options]) == 0
    assert out.exists()
    assert main(["export", str(adapter), "--format", form, "--out", str(out), *options]) == 2


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("form", ["peft", "gguf", "merged"])
def test_every_export_format_is_written_in_the_dtype_asked_for(
    tiny: TinyFiles, adapter: Path, tmp_path: Path, form: str, dtype: str
) -> None:
    out = tmp_path / f"export.{form}"
    asked = ["export", str(adapter), "--format", form, "--out", str(out), "--store-dtype", dtype]

    assert main([*asked, "--base", str(tiny.base), "--threads", "1"]) == 0

    assert stored_dtypes(out) == {dtype}


def stored_dtypes(path: Path) -> set[str]:
    if path.is_file():
        names = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}
        return {names[tensor.tensor_type.name] for tensor in gguf.GGUFReader(path).tensors}
    (file,) = path.glob("*.safetensors")
    return {str(tensor.dtype).removeprefix("torch.") for tensor in load_file(file).values()}


def test_an_adapter_that_was_only_exported_cannot_be_extended(tiny: TinyFiles, adapter: Path, rules: Path) -> None:
    for name in (STATE, CHUNKS, KEY):
        (adapter / name).unlink()
    extend = ["extend", str(adapter), "--context", str(rules), "--out", str(adapter.parent / "b")]
    assert main([*extend, *tiny.options]) == 2
    assert not (adapter.parent / "b").exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "must hold text"), (b"   \n", "must hold text"), (b"caf\xe9", "UTF-8"), (b"x", "token")],
    ids=["empty", "blank", "undecodable", "one token"],
)
def test_a_bad_context_is_refused_and_nothing_is_written(
    tiny: TinyFiles, tmp_path: Path, content: bytes, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    context = tmp_path / "context.txt"
    context.write_bytes(content)
    out = tmp_path / "out"
    assert main(["generate", "--context", str(context), "--out", str(out), "--json", *tiny.options]) == 2
    error = read(capsys)["error"]
    assert isinstance(error, dict)
    assert said in error["message"]
    assert not out.exists()
    assert not list(tmp_path.glob(".out*"))


def test_a_missing_context_is_refused(tiny: TinyFiles, tmp_path: Path) -> None:
    arguments = ["--context", str(tmp_path / "none.md"), "--out", str(tmp_path / "out")]
    assert main(["generate", *arguments, *tiny.options]) == 2


def test_a_taken_folder_is_refused_before_the_work(tiny: TinyFiles, adapter: Path, rules: Path) -> None:
    before = (adapter / WEIGHTS).read_bytes()
    assert main(["generate", "--context", str(rules), "--out", str(adapter), *tiny.options]) == 2
    assert (adapter / WEIGHTS).read_bytes() == before


def test_a_generator_made_for_another_base_is_refused(
    tiny: TinyFiles, rules: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = write_tiny_files(tmp_path / "other")
    shard = next(other.base.glob("*.safetensors"))
    data = bytearray(shard.read_bytes())
    data[-1] ^= 1
    shard.write_bytes(data)
    options = ["--base", str(other.base), "--generator", str(tiny.generator)]
    assert main(["generate", "--context", str(rules), "--out", str(tmp_path / "out"), *options]) == 2
    assert "made for" in capsys.readouterr().err


def test_a_tampered_adapter_is_found(adapter: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = bytearray((adapter / WEIGHTS).read_bytes())
    data[-5] ^= 1
    (adapter / WEIGHTS).write_bytes(data)
    assert main(["inspect", str(adapter)]) == 3
    assert "sha256" in capsys.readouterr().err


def test_an_unknown_chunk_is_refused(tiny: TinyFiles, adapter: Path, capsys: pytest.CaptureFixture[str]) -> None:
    erase = ["erase", str(adapter), "--chunk", "0" * 16, "--out", str(adapter.parent / "b")]
    assert main([*erase, *tiny.options]) == 2
    assert "must name one chunk" in capsys.readouterr().err


def test_help_of_every_command_has_examples_and_only_defaults_that_say_something(
    capsys: pytest.CaptureFixture[str],
) -> None:
    (commands,) = (action for action in parser()._actions if isinstance(action, argparse._SubParsersAction))
    for arguments in ([], *([name] for name in commands.choices)):
        with pytest.raises(SystemExit) as ended:
            main([*arguments, "--help"])
        assert ended.value.code == 0
        shown = " ".join(capsys.readouterr().out.split())
        assert "examples:" in shown
        for nothing in ("None", "False", "[]", "()", str(SHIPPED.parent)):
            assert f"(default: {nothing}" not in shown
    with pytest.raises(SystemExit):
        main(["bench", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert "(default: 512 2048)" in shown
    assert "(default: 5)" in shown


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"ringi {code_version()}\n"


def test_the_help_names_every_exit_status(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    shown = " ".join(capsys.readouterr().out.split())
    told = set(map(int, re.findall(r"(\d+) ", shown[shown.index("exit status:") :])))
    classes = [RingiError]
    for one in classes:
        classes += one.__subclasses__()
    assert {one.exit_status for one in classes} <= told


def test_training_goes_on_where_it_stopped(tiny: TinyFiles, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = tmp_path / "text.md"
    text.write_text(" ".join(f"Clause {n} names depot {n * 7 % 31} and its keeper." for n in range(200)))
    train = ["train", "--recipe", "tiny", "--documents", str(text), "--out", str(tmp_path / "run"), "--json"]
    base = ["--base", str(tiny.base), "--threads", "1"]
    assert main([*train, "--steps", "3", *base]) == 0
    first = read(capsys)
    assert main([*train, "--steps", "5", "--rank", "4", *base]) == 0
    second = read(capsys)
    assert (first["steps"], second["steps"]) == (3, 5)
    assert first["generator"] != second["generator"]
    for name in ("generator.safetensors", "loss.svg", "metrics.jsonl"):
        assert (tmp_path / "run" / name).stat().st_size > 0
    options = ["--base", str(tiny.base), "--generator", str(tmp_path / "run" / "generator.safetensors")]
    out = ["--context", str(text), "--out", str(tmp_path / "a")]
    assert main(["generate", *out, *options]) == 0
    assert json.loads((tmp_path / "a" / "manifest.json").read_text())["identity"]["generator"]["config"]["rank"] == 4
    assert main([*train, "--steps", "6", "--rank", "17", *base]) == 2
    assert "rank must be at most" in capsys.readouterr().err


def test_checkpoints_of_a_run_become_one_generator(
    tiny: TinyFiles, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = tmp_path / "text.md"
    text.write_text(" ".join(f"Clause {n} names depot {n * 7 % 31} and its keeper." for n in range(200)))
    base = ["--base", str(tiny.base), "--threads", "1"]
    run = ["train", "--recipe", "tiny", "--documents", str(text), "--out", str(tmp_path / "run"), "--json", *base]
    assert main([*run, "--steps", "4", "--keep", "3", "--checkpoint-every", "1e-9"]) == 0
    capsys.readouterr()
    checkpoints = sorted(map(str, (tmp_path / "run").glob("step-*")))
    assert len(checkpoints) == 3
    file = tmp_path / "generator.safetensors"
    average = ["average", *checkpoints, "--rank", "4", "--out", str(file), "--json", *base]
    assert main(average) == 0
    found = read(capsys)
    made = load_generator(file, load_base(tiny.base))
    assert (found["checkpoints"], found["generator"], made.config.rank) == (3, made.digest(), 4)
    assert main(average) == 2  # it would be overwritten
    weaker = tmp_path / "weaker.safetensors"
    assert main(["average", *checkpoints, "--gain", "0.5", "--out", str(weaker), *base]) == 0
    whole, half = (dict(load_generator(path, load_base(tiny.base)).named_site_tensors()) for path in (file, weaker))
    for name, tensor in half.items():
        torch.testing.assert_close(tensor, whole[name] * (0.5 if name.endswith(".output") else 1.0))
    assert main(["average", str(tmp_path), "--out", str(tmp_path / "other.safetensors"), *base]) == 3


def test_a_generator_is_cut_to_some_of_its_layers(tiny: TinyFiles, tmp_path: Path) -> None:
    base = ["--base", str(tiny.base)]
    file = tmp_path / "lower.safetensors"
    assert main(["average", str(tiny.generator), "--layers", "0", "--gain", "2", "--out", str(file), *base]) == 0
    whole, lower = (load_generator(path, load_base(tiny.base)) for path in (tiny.generator, file))
    assert {site.layer for site in whole.sites} > {site.layer for site in lower.sites} == {0}
    tensors = dict(whole.named_site_tensors())
    for name, tensor in lower.named_site_tensors():
        torch.testing.assert_close(tensor, (tensors[name] * (2 if name.endswith(".output") else 1)).bfloat16())


@pytest.mark.parametrize("layers", ["x", "1-0", "0,0-1", "", "0-", "0-999999999", f"0-{10**30}"])
def test_layers_that_cannot_be_read_are_refused(
    layers: str, tiny: TinyFiles, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["average", str(tiny.generator), "--layers", layers, "--out", str(tmp_path / "g.safetensors")])
    assert ended.value.code == 2
    assert f"must be layers such as 18-28 or 18,20,22-28, none of them twice, got {layers!r}" in " ".join(
        capsys.readouterr().err.split()
    )


def test_a_generator_is_no_part_of_an_average(
    tiny: TinyFiles, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "lower.safetensors"
    given = [str(tiny.generator), str(tmp_path)]
    assert main(["average", *given, "--out", str(file), "--base", str(tiny.base)]) == 2
    assert "a generator's file is named alone" in " ".join(capsys.readouterr().err.split())
    assert not file.exists()


def test_layers_that_a_generator_has_not_are_refused(
    tiny: TinyFiles, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "lower.safetensors"
    assert main(["average", str(tiny.generator), "--layers", "0,7", "--out", str(file), "--base", str(tiny.base)]) == 2
    assert "must be out of [0, 1, 2], those of the generator, got [7]" in " ".join(capsys.readouterr().err.split())
    assert not file.exists()


@pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated")  # MLflow 3.17 on SQLAlchemy 2.1
def test_a_generator_is_fine_tuned_on_the_documents_of_a_domain(
    tiny: TinyFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)  # MLflow puts artifacts below the working folder
    texts = []
    for name in ("a", "b"):
        texts.append(tmp_path / f"{name}.md")
        texts[-1].write_text(" ".join(f"Rule {n} of house {name} names depot {n * 7 % 31}." for n in range(60)))
    start = ["--recipe", "domain", "--start-from", str(tiny.generator), "--steps", "2", "--batch-rows", "2"]
    tuned = ["train", *start, "--documents", *map(str, texts), "--out", str(tmp_path / "run"), "--json"]
    tracked = ["--mlflow", f"sqlite:///{tmp_path / 'runs.db'}", "--base", str(tiny.base), "--threads", "1"]
    assert main([*tuned, *tracked]) == 0
    assert read(capsys)["steps"] == 2
    assert (tmp_path / "run" / "generator.safetensors").read_bytes() != tiny.generator.read_bytes()
    assert (tmp_path / "runs.db").stat().st_size > 0


def test_training_without_texts_is_refused(tiny: TinyFiles, tmp_path: Path) -> None:
    assert main(["train", "--recipe", "tiny", "--out", str(tmp_path / "run"), "--base", str(tiny.base)]) == 2


def test_an_unknown_recipe_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--recipe", "huge", "--out", str(tmp_path / "run")]) == 2
    assert "smollm2-cpu" in capsys.readouterr().err


def test_bench_gives_ratios_to_the_bare_forward_pass(tiny: TinyFiles, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--tokens", "24", "48", "--repeats", "1", "--json", *tiny.options]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["tokens"] for row in rows] == [24, 48]
    assert all(row["ratio"] == pytest.approx(row["adapter_s"] / row["body_s"]) for row in rows)


def test_a_context_beyond_what_one_pass_reads_is_no_benchmark(
    tiny: TinyFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    window = load_base(tiny.base).max_context
    assert window is not None
    assert main(["bench", "--tokens", "24", str(window + 1), *tiny.options]) == 2
    assert f"--tokens must be at most the {window:,}" in capsys.readouterr().err
