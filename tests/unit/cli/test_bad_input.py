"""Bad input on the command line: an exit status, one clear message, and not a byte left behind.

Each case takes a folder with good files (a context, a base, its generator, an adapter made of them), spoils one thing
and gives the command to run. Whatever was in the folder must be there afterwards, unchanged, and nothing else.
"""

import json
import math
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save, save_file
from torch import Tensor

from adapters_core.artifact import CHUNKS, CONFIG, KEY, MANIFEST, STATE, WEIGHTS, write_session
from adapters_core.canonical import canonical_bytes, digest_of, file_sha256, sha256_hex
from adapters_core.cli.main import main
from adapters_core.config import MAX_CONTEXT_TOKENS
from adapters_core.data.documents import Document
from adapters_core.manifest import Manifest
from adapters_core.modeling.base_model import load_base
from adapters_core.modeling.digests import digest_tensors
from adapters_core.modeling.generator_file import save_generator
from adapters_core.pipeline import load_core
from adapters_core.storage import atomic_folder, exclusive
from tests.full_disk import NoMountError, mounted
from tests.tiny_files import TinyFiles, write_tiny_files
from tests.tiny_model import tiny_base, tiny_generator

ROOT = Path(__file__).parents[3]
PATIENCE = 240
"""Seconds after which a process is thought to hang."""
RULES = "Leave of five days carries over. The Kanazawa depot closes at nine. Mori keeps the keys."
MORE = "From April the Kanazawa depot closes at ten."


@dataclass(frozen=True)
class Place:
    """A folder of good files, to be spoilt."""

    root: Path

    @property
    def rules(self) -> Path:
        return self.root / "rules.md"

    @property
    def base(self) -> Path:
        return self.root / "base"

    @property
    def shard(self) -> Path:
        return self.base / "model.safetensors"

    @property
    def generator(self) -> Path:
        return self.root / "generator.safetensors"

    @property
    def adapter(self) -> Path:
        return self.root / "adapter"

    @property
    def out(self) -> Path:
        return self.root / "out"

    @property
    def on_base(self) -> list[str]:
        return ["--base", str(self.base), "--threads", "1"]

    @property
    def options(self) -> list[str]:
        return [*self.on_base, "--generator", str(self.generator)]

    def generate(self, *more: str, context: Path | None = None) -> list[str]:
        return ["generate", "--context", str(context or self.rules), "--out", str(self.out), *more, *self.options]

    def extend(self) -> list[str]:
        more = self.root / "more.md"
        return ["extend", str(self.adapter), "--context", str(more), "--out", str(self.out), *self.options]

    def erase(self, *chosen: str) -> list[str]:
        return ["erase", str(self.adapter), *chosen, "--out", str(self.out), *self.options]

    def attribute(self, *more: str) -> list[str]:
        return ["attribute", str(self.adapter), "--context", str(self.rules), *more, *self.options]

    def export(self, form: str = "peft", *more: str) -> list[str]:
        return ["export", str(self.adapter), "--format", form, "--out", str(self.out), *more, *self.on_base]

    def inspect(self) -> list[str]:
        return ["inspect", str(self.adapter)]

    def ask(self, *more: str) -> list[str]:
        return ["ask", str(self.adapter), "Who keeps the keys?", *more, *self.on_base]

    def train(self, *more: str) -> list[str]:
        run = ["--recipe", "tiny", "--documents", str(self.rules), "--out", str(self.out), "--steps", "2"]
        return ["train", *run, *more, *self.on_base]

    def files(self) -> dict[str, str]:
        """Everything below the folder with its digest."""
        return {
            str(path.relative_to(self.root)): file_sha256(path) if path.is_file() else ""
            for path in self.root.rglob("*")
        }


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("good")
    tiny: TinyFiles = write_tiny_files(root)
    (root / "rules.md").write_text(RULES)
    (root / "more.md").write_text(MORE)
    core = load_core(load_base(tiny.base), tiny.generator)
    write_session(core.generate([Document(name="rules.md", text=RULES)], key=bytes(range(32))), root / "adapter")
    return root


@pytest.fixture
def place(good: Path, tmp_path: Path) -> Place:
    return Place(Path(shutil.copytree(good, tmp_path / "place")))


def refused(place: Place, arguments: list[str], capsys: pytest.CaptureFixture[str], status: int, said: str) -> None:
    """Run a command that must fail: with this status, these words, and everything as it was."""
    before = place.files()
    capsys.readouterr()

    assert main([*arguments, "--json"]) == status

    shown = capsys.readouterr()
    error = json.loads(shown.out)["error"]
    assert said in error["message"]
    assert set(error) == {"code", "message"}
    assert shown.err.splitlines()[-1] == f"error: {error['message']}"
    assert "Traceback" not in shown.err
    assert place.files() == before


# ----------------------------------------------------------------------------------------------------------- spoiling


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def cut(path: Path, share: float) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])


def flip(path: Path, place: float = 0.9) -> None:
    data = bytearray(path.read_bytes())
    data[int(len(data) * place)] ^= 0x10
    path.write_bytes(data)


def reseal_generator(place: Place, *, tensors: dict[str, Tensor] | None = None, **config: object) -> None:
    """Change a generator's file and make its digest fit: spoilt before it was written."""
    changed = {**load_file(place.generator), **(tensors or {})}
    with safe_open(place.generator, framework="pt") as file:
        metadata = dict(file.metadata())
    settings = {**json.loads(metadata["config"]), **config}
    identity = {"base": metadata["base_digest"], "config": settings, "tensors": digest_tensors(sorted(changed.items()))}
    metadata |= {"config": canonical_bytes(settings).decode(), "digest": digest_of(identity)}
    save_file(changed, place.generator, metadata=metadata)


def spoil_generator(place: Place, bad: float) -> None:
    tensors = load_file(place.generator)
    name = next(name for name in tensors if name.endswith(".key"))
    tensors[name][0, 0] = bad
    reseal_generator(place, tensors={name: tensors[name]})


def spoil_base(place: Place, bad: float) -> None:
    """A base whose file is whole, and holds what is no number."""
    tensors = load_file(place.shard)
    tensors["model.layers.0.self_attn.q_proj.weight"][:] = bad
    save_file(tensors, place.shard, metadata={"format": "pt"})


def spoil_adapter(place: Place, bad: float) -> None:
    """An adapter that holds NaN under a manifest that names just these bytes."""
    tensors = load_file(place.adapter / WEIGHTS)
    next(iter(tensors.values()))[0, 0] = bad
    data = save(tensors, metadata={"format": "pt"})
    manifest = Manifest.read(place.adapter / MANIFEST)
    identity = replace(manifest.identity, weights_sha256=sha256_hex(data))
    (place.adapter / WEIGHTS).write_bytes(data)
    (place.adapter / MANIFEST).write_bytes(replace(manifest, identity=identity).to_bytes())


def other_base(place: Place) -> None:
    flip(place.shard)


def other_generator(place: Place) -> None:
    save_generator(tiny_generator(load_base(place.base), seed=7), place.generator, dtype=torch.float32)


def another_architecture(place: Place) -> None:
    shutil.rmtree(place.base)
    base = tiny_base("gpt_neox")
    base.model.save_pretrained(place.base)
    base.require_tokenizer().save_pretrained(place.base)


# ------------------------------------------------------------------------------------------------------------- contexts

CONTEXTS: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "must hold text"),
    "blank": (b" \n\t\n ", "must hold text"),
    "undecodable": (b"caf\xe9 au lait", "must be UTF-8 text, got byte 0xe9 at offset 3"),
    "UTF-16": ("leave".encode("utf-16"), "must be UTF-8 text, got byte 0xff at offset 0"),
    "half a character": ("倉庫".encode()[:-1], "must be UTF-8 text, got byte 0xe5 at offset 3"),
    "one token": (b"x", "must have at least 2 tokens, got 1"),
    "over the limit": (b"ab " * (MAX_CONTEXT_TOKENS // 3 + 1), f"at most {MAX_CONTEXT_TOKENS} tokens"),
}


@pytest.mark.parametrize("name", CONTEXTS)
@pytest.mark.parametrize("command", ["generate", "extend"])
def test_a_bad_context_is_refused(place: Place, command: str, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    content, said = CONTEXTS[name]
    write(place.rules if command == "generate" else place.root / "more.md", content)

    refused(place, getattr(place, command)(), capsys, 2, said)


@pytest.mark.parametrize("command", ["generate", "extend"])
def test_a_context_over_the_limit_that_was_asked_for_is_refused(
    place: Place, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write(place.root / "more.md", MORE.encode())

    asked = [*getattr(place, command)(), "--max-context-tokens", "5"]
    refused(place, asked, capsys, 2, "at most 5 tokens")


@pytest.mark.parametrize(
    ("context", "said"),
    [("none.md", "must exist, no file at"), ("base", "is a folder: name the files in it")],
)
def test_a_context_that_is_no_file_is_refused(
    place: Place, context: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    refused(place, place.generate(context=place.root / context), capsys, 2, said)


def test_a_context_given_twice_is_refused(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    refused(place, place.generate("--context", str(place.rules), str(place.rules)), capsys, 2, "must be given once")


def test_a_short_document_beside_a_good_one_is_refused_by_its_name(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    short = write(place.root / "short.md", b"x")

    refused(
        place, place.generate("--context", str(place.rules), str(short)), capsys, 2, "'short.md' must have at least 2"
    )


def test_no_cut_leaves_a_chunk_of_one_token(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """33 tokens in chunks of at most 32: never 32 and 1."""
    write(place.rules, b"a" * 33)

    assert main([*place.generate("--json")]) == 0

    counts = [chunk["tokens"] for chunk in json.loads(capsys.readouterr().out)["identity"]["added"]]
    assert len(counts) == 2
    assert sum(counts) == 33
    assert min(counts) >= 2


# ----------------------------------------------------------------------------------------------- generators and bases

Spoil = Callable[[Place], object]
MODELS: dict[str, tuple[Spoil, int, str]] = {
    "generator: made for another base": (other_base, 2, "was made for the base"),
    "generator: missing": (lambda p: p.generator.unlink(), 2, "no generator at"),
    "generator: empty": (lambda p: cut(p.generator, 0), 3, "generator.safetensors is not a whole safetensors file"),
    "generator: cut in its header": (lambda p: cut(p.generator, 0.01), 3, "is not a whole safetensors file"),
    "generator: cut in its tensors": (lambda p: cut(p.generator, 0.8), 3, "is not a whole safetensors file"),
    "generator: tampered": (lambda p: flip(p.generator), 3, "it was changed"),
    "generator: another file": (lambda p: shutil.copy(p.shard, p.generator), 3, "must be a generator"),
    "generator: NaN": (lambda p: spoil_generator(p, math.nan), 3, "must be finite, it holds NaN or infinite"),
    "generator: infinite": (lambda p: spoil_generator(p, -math.inf), 3, "must be finite, it holds NaN or infinite"),
    "generator: rank 0": (lambda p: reseal_generator(p, rank=0), 3, "rank must be a whole number of at least 1, got 0"),
    "generator: rank over its sizes": (lambda p: reseal_generator(p, rank=99), 3, "rank must be at most"),
    "generator: unknown sites": (
        lambda p: reseal_generator(p, target_modules=["o_proj", "x_proj"]),
        2,
        "target 'x_proj' must name one linear of each layer, found no module in layer 0; supported here: down_proj",
    ),
    "generator: unknown layers": (lambda p: reseal_generator(p, layers=[7]), 2, "layers must lie in 0..2, got [7]"),
    "base: missing": (lambda p: shutil.rmtree(p.base), 2, "must be a folder, a .gguf file or a hub id"),
    "base: without configuration": (lambda p: (p.base / "config.json").unlink(), 2, "has no config.json"),
    "base: without weights": (lambda p: p.shard.unlink(), 2, "must hold model.safetensors"),
    "base: without tokenizer": (
        lambda p: list(map(Path.unlink, p.base.glob("*token*"))),
        2,
        "was made for the base",
    ),
    "base: cut": (lambda p: cut(p.shard, 0.5), 3, "is not a whole safetensors file"),
    "base: empty": (lambda p: cut(p.shard, 0), 3, "is not a whole safetensors file"),
    "base: tampered": (lambda p: flip(p.shard), 2, "was made for the base"),
    "base: damaged configuration": (lambda p: cut(p.base / "config.json", 0.5), 2, "no causal LM"),
    "base: damaged tokenizer": (lambda p: cut(p.base / "tokenizer.json", 0.5), 3, "tokenizer"),
    "base: NaN": (lambda p: spoil_base(p, math.nan), 3, "q_proj.weight must be finite"),
    "base: infinite": (lambda p: spoil_base(p, math.inf), 3, "q_proj.weight must be finite"),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_bad_generator_or_base_is_refused(place: Place, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    spoil, status, said = MODELS[name]
    spoil(place)

    refused(place, place.generate(), capsys, status, said)


@pytest.mark.parametrize("command", ["extend", "erase", "attribute"])
def test_an_adapter_of_another_generator_is_refused(
    place: Place, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    other_generator(place)
    arguments = {
        "extend": place.extend(),
        "erase": place.erase("--document", "rules.md"),
        "attribute": place.attribute(),
    }

    refused(place, arguments[command], capsys, 2, "was made by generator")


@pytest.mark.parametrize("command", ["export", "ask"])
def test_an_adapter_of_another_base_is_neither_exported_nor_asked(
    place: Place, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    other_base(place)

    refused(place, getattr(place, command)(), capsys, 3, "the adapter was made for the base")


def test_training_on_a_base_without_the_recipes_sites_names_those_it_has(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    another_architecture(place)

    refused(place, place.train(), capsys, 2, "supported here: dense, dense_4h_to_h, dense_h_to_4h, query_key_value")


# ------------------------------------------------------------------------------------------------------------- adapters

FILES = {WEIGHTS: 3, CONFIG: 3, MANIFEST: 3, STATE: 3, CHUNKS: 3, KEY: 3}
DAMAGE: dict[str, Callable[[Path], object]] = {
    "missing": lambda path: path.unlink(),
    "empty": lambda path: cut(path, 0),
    "cut": lambda path: cut(path, 0.6),
    "tampered": lambda path: flip(path, 0.5),
}


@pytest.mark.parametrize("command", ["inspect", "extend", "erase", "attribute"])
@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("name", FILES)
def test_a_damaged_adapter_is_refused_by_the_name_of_its_file(
    place: Place, command: str, damage: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    DAMAGE[damage](place.adapter / name)
    arguments = {"erase": place.erase("--document", "rules.md")}.get(command) or getattr(place, command)()

    refused(place, arguments, capsys, 3, "manifest" if name == MANIFEST else name)


@pytest.mark.parametrize("form", ["peft", "gguf", "merged"])
@pytest.mark.parametrize("name", [WEIGHTS, CONFIG, MANIFEST])
def test_a_damaged_adapter_is_not_exported(
    place: Place, form: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    cut(place.adapter / name, 0.5)

    refused(place, place.export(form), capsys, 3, "manifest" if name == MANIFEST else name)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("command", ["inspect", "export", "extend", "attribute", "ask"])
def test_an_adapter_that_is_not_finite_is_refused(
    place: Place, command: str, bad: float, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil_adapter(place, bad)

    refused(place, getattr(place, command)(), capsys, 3, "must be finite, it holds NaN or infinite")


def test_a_foreign_adapter_has_no_manifest(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    for name in (MANIFEST, STATE, CHUNKS, KEY):
        (place.adapter / name).unlink()

    refused(place, place.inspect(), capsys, 2, "holds weights of PEFT and no manifest.json")


def test_no_folder_is_no_adapter(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(place.adapter)

    for arguments in (place.inspect(), place.extend(), place.export(), place.ask()):
        refused(place, arguments, capsys, 2, "no adapter folder at")


CHOICES: dict[str, tuple[list[str], str]] = {
    "nothing": ([], "name what to erase: --document NAME, or --chunk COMMITMENT"),
    "too short a name": (["--chunk", "abc"], "at least 8 digits"),
    "an unknown chunk": (["--chunk", "0" * 16], "must name one chunk of the session, it names 0"),
    "an unknown document": (["--document", "tea.md"], "documents ['tea.md'] are not part of this adapter"),
    "everything": (["--document", "rules.md"], "leaves no adapter"),
}


@pytest.mark.parametrize("name", CHOICES)
def test_a_bad_choice_of_chunks_is_refused(place: Place, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    chosen, said = CHOICES[name]

    refused(place, place.erase(*chosen), capsys, 2, said)


def test_extending_by_what_is_there_is_refused(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["extend", str(place.adapter), "--context", str(place.rules), "--out", str(place.out), *place.options]

    refused(place, arguments, capsys, 2, "are in the session already: a chunk counts once")


# -------------------------------------------------------------------------------------------------------------- options

OPTIONS: dict[str, tuple[list[str], str]] = {
    "decay 0": (["--decay", "0"], "decay must lie in (0, 1], got 0.0"),
    "decay over 1": (["--decay", "1.5"], "decay must lie in (0, 1]"),
    "decay NaN": (["--decay", "nan"], "decay must lie in (0, 1]"),
    "no such key": (["--key-file", "/nowhere/key"], "must hold 64 hexadecimal digits"),
    "a nonsense device": (["--device", "toaster"], "--device must be cpu, cuda or cuda:N"),
    "a device that computes nothing": (["--device", "meta"], "--device must be cpu, cuda or cuda:N"),
    "a device that is not there": (["--device", "cuda:99"], "--device cuda:99:"),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_a_bad_option_is_refused(place: Place, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    given, said = OPTIONS[name]

    refused(place, place.generate(*given), capsys, 2, said)


@pytest.mark.parametrize("key", [b"", b"no hex", b"ab" * 31, b"ab" * 33, b"\xff\xfe"])
def test_a_key_file_of_another_content_is_refused(place: Place, key: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(place.root / "key", key)

    refused(place, place.generate("--key-file", str(file)), capsys, 2, "must hold 64 hexadecimal digits")


@pytest.mark.parametrize(
    ("command", "option", "value"),
    [
        ("export", "--rank", "0"),
        ("export", "--rank", "-4"),
        ("export", "--rank", "eight"),
        ("generate", "--threads", "0"),
        ("attribute", "--steps", "0"),
        ("ask", "--answer-tokens", "0"),
        ("train", "--steps", "0"),
        ("train", "--batch-rows", "0"),
    ],
)
def test_a_number_below_one_is_refused_by_the_option(
    place: Place, command: str, option: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = place.files()

    with pytest.raises(SystemExit) as ended:
        main([*getattr(place, command)(), option, value])

    assert ended.value.code == 2
    assert f"argument {option}: must be a whole number of at least 1, got '{value}'" in capsys.readouterr().err
    assert place.files() == before


@pytest.mark.parametrize("given", ["question", "question=half", "question=0.5:", "=:"])
def test_a_share_that_is_no_number_is_refused_by_the_option(
    place: Place, given: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(place.train("--mixture", given))

    assert ended.value.code == 2
    assert f"must be NAME=SHARE or NAME=SHARE:KL with numbers, got '{given}'" in capsys.readouterr().err


TRAINING: dict[str, tuple[list[str], int, str]] = {
    "an unknown recipe": (["--recipe", "huge"], 2, "smollm2-cpu"),
    "a rate of 0": (["--learning-rate", "0"], 2, "learning_rate must be positive and finite"),
    "a rate of NaN": (["--learning-rate", "nan"], 2, "learning_rate must be positive and finite"),
    "a negative time": (["--time-limit", "-1"], 2, "time_limit_s must be positive and finite"),
    "an objective that there is not": (["--mixture", "poetry=1"], 2, "objectives must be of"),
    "a mixture of nothing": (["--mixture", "question=0"], 2, "at least one objective must have a share above 0"),
    "a missing corpus": (["--corpus", "/nowhere/corpus.jsonl"], 2, "corpus.jsonl"),
    "a generator that is not there": (["--start-from", "/nowhere/g.safetensors"], 2, "no generator at"),
}


@pytest.mark.parametrize("name", TRAINING)
def test_bad_settings_of_a_training_run_are_refused(
    place: Place, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given, status, said = TRAINING[name]

    refused(place, place.train(*given), capsys, status, said)


@pytest.mark.parametrize("content", [b"", b"not json\n", b'{"source": "a"}\n', b'["a"]\n'])
def test_a_corpus_of_another_shape_is_refused(place: Place, content: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    corpus = write(place.root / "corpus.jsonl", content)
    run = ["train", "--recipe", "tiny", "--corpus", str(corpus), "--out", str(place.out), *place.on_base]

    refused(place, run, capsys, 2, "must be an object" if content else "name texts to train on")


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_fine_tuning_a_generator_that_is_not_finite_is_refused(
    place: Place, bad: float, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil_generator(place, bad)

    refused(place, place.train("--start-from", str(place.generator)), capsys, 3, "must be finite")


# -------------------------------------------------------------------------------------------------------------- outputs


@pytest.mark.parametrize("command", ["generate", "extend", "export"])
@pytest.mark.parametrize("there", ["folder", "file", "dangling link"])
def test_an_output_that_is_there_is_not_overwritten(
    place: Place, command: str, there: str, capsys: pytest.CaptureFixture[str]
) -> None:
    match there:
        case "folder":
            place.out.mkdir()
            write(place.out / "theirs", b"theirs")
        case "file":
            write(place.out, b"theirs")
        case _:
            place.out.symlink_to(place.root / "nowhere")

    refused(place, getattr(place, command)(), capsys, 2, "exists already: choose another path")
    assert place.out.is_symlink() == (there == "dangling link")


@pytest.mark.parametrize("command", ["generate", "export", "train"])
def test_an_output_below_a_file_is_a_storage_error(
    place: Place, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write(place.out, b"a file")
    below = str(place.out / "deeper" / "out")

    refused(place, [*getattr(place, command)(), "--out", below], capsys, 4, "could not be written: ")


def test_a_report_replaces_reports_only(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """What is in the folder would be deleted with the report that gives way."""
    evaluate = ["evaluate", "--measure", "none", "--out", str(place.root), *place.options]

    refused(place, evaluate, capsys, 2, "must be a new folder or an earlier report's, it holds ['adapter', 'base'")


# ---------------------------------------------------------------------------------------------------------- a full disk


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Mounts a file system of so many KiB."""
    with ExitStack() as stack:

        def mount(kibibytes: int) -> Path:
            try:
                return stack.enter_context(mounted(tmp_path / "disk", kibibytes=kibibytes))
            except NoMountError as error:
                pytest.skip(f"cannot mount a small disk here: {error}")

        yield mount


@pytest.mark.parametrize("command", ["generate", "extend", "erase", "export"])
def test_a_full_disk_is_a_storage_error_and_leaves_nothing(
    place: Place, command: str, small_disk: Callable[[int], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    disk = small_disk(16)
    arguments = place.erase("--chunk", next(iter(chunks(place)))) if command == "erase" else getattr(place, command)()

    refused(place, [*arguments, "--out", str(disk / "out")], capsys, 4, "No space left on device")

    assert list(disk.iterdir()) == []


@pytest.mark.parametrize("form", ["gguf", "merged"])
def test_a_full_disk_stops_every_export_format(
    place: Place, form: str, small_disk: Callable[[int], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    disk = small_disk(8)

    refused(place, [*place.export(form), "--out", str(disk / "out")], capsys, 4, "No space left on device")

    assert list(disk.iterdir()) == []


@pytest.mark.parametrize("kibibytes", [4, 64])
def test_a_full_disk_in_training_leaves_no_half_checkpoint(
    place: Place, kibibytes: int, small_disk: Callable[[int], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    disk = small_disk(kibibytes)

    refused(place, [*place.train(), "--out", str(disk / "run")], capsys, 4, "No space left on device")

    assert {path.name for path in disk.rglob("*")} <= {"run", "metrics.jsonl"}


def test_a_disk_that_fills_under_the_metrics_is_a_storage_error(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    (place.out).mkdir()
    (place.out / "metrics.jsonl").symlink_to("/dev/full")

    refused(place, place.train(), capsys, 4, "No space left on device")


# -------------------------------------------------------------------------------------------------------- two processes


@pytest.mark.parametrize("command", ["generate", "extend", "export"])
def test_an_output_that_another_process_writes_is_busy(
    place: Place, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with atomic_folder(place.out) as staging:
        write(staging / "theirs", b"theirs")
        refused(place, getattr(place, command)(), capsys, 5, "another process is writing")

    assert [path.name for path in place.out.iterdir()] == ["theirs"]


@pytest.mark.parametrize("command", ["train", "gguf"])
def test_a_run_or_file_that_another_process_writes_is_busy(
    place: Place, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with exclusive(place.out):
        refused(place, place.train() if command == "train" else place.export("gguf"), capsys, 5, "another process")


def test_of_two_processes_that_generate_into_one_folder_one_wins(place: Place) -> None:
    both = [start(place.generate("--json")) for _ in range(2)]
    said = [process.communicate(timeout=240) for process in both]

    codes = sorted(process.returncode for process in both)
    assert codes[0] == 0, said
    assert codes[1] in (2, 4, 5), said  # it saw the folder, lost it at the end, or met the other one writing
    winner = next(json.loads(out) for process, (out, _) in zip(both, said, strict=True) if process.returncode == 0)
    assert main(["inspect", str(place.out)]) == 0
    assert Manifest.read(place.out / MANIFEST).digest == winner["digest"]
    assert hidden(place) == []


# --------------------------------------------------------------------------------------------------------------- Ctrl-C


def test_ctrl_c_in_generation_leaves_nothing(place: Place) -> None:
    write(place.rules, "".join(f"Clause {n} names depot {n * 37 % 101}. " for n in range(9000)).encode())
    before = place.files()
    screen, terminal = pty.openpty()
    process = start(place.generate(), stderr=terminal)
    os.close(terminal)
    shown = read_until(screen, process, rb"[1-9]\d*/\d{3,}")  # the progress bar: chunks done, of thousands

    process.send_signal(signal.SIGINT)
    shown += read_until(screen, process, rb"interrupted")
    process.communicate(timeout=60)
    os.close(screen)

    assert process.returncode == 130
    assert b"interrupted: nothing was half-written" in shown
    assert b"Traceback" not in shown
    assert place.files() == before


def test_ctrl_c_in_training_leaves_a_checkpoint_that_goes_on(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    write(place.rules, "".join(f"Clause {n} names depot {n * 37 % 101}. " for n in range(200)).encode())
    process = start(place.train("--steps", "100000", "--json"))
    metrics = place.out / "metrics.jsonl"
    wait_for(process, lambda: metrics.is_file() and metrics.read_bytes().count(b"\n") >= 2)

    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)

    assert process.returncode == 130, err
    assert "Traceback" not in err
    summary = json.loads(out)
    assert summary["interrupted"] is True
    steps = summary["steps"]
    assert [path.name for path in place.out.glob("step-*")] == [f"step-{steps:07d}"]
    assert hidden(place) == []
    assert main([*place.train("--steps", str(steps + 1), "--json")]) == 0
    assert json.loads(capsys.readouterr().out)["steps"] == steps + 1
    assert (
        main(place.generate("--generator", str(place.out / "generator.safetensors"), "--out", str(place.root / "a")))
        == 0
    )


def test_ctrl_c_before_the_work_says_the_same(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """While the base is being read, say; with --json the reader gets an object all the same."""

    def interrupted(*_: object, **__: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr("adapters_core.modeling.base_model.read_base", interrupted)

    refused(place, place.generate(), capsys, 130, "nothing was half-written")


def chunks(place: Place) -> list[str]:
    return [chunk["commitment"] for chunk in json.loads((place.adapter / CHUNKS).read_bytes())["places"]]


def hidden(place: Place) -> list[Path]:
    """Staging files and locks that were left behind."""
    return list(place.root.rglob(".*"))


def start(arguments: list[str], *, stderr: int = subprocess.PIPE) -> subprocess.Popen[str]:
    """The real command line in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "adapters_core", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "100"},
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
    )


def wait_for(process: subprocess.Popen[str], ready: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not ready():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.01)


def read_until(screen: int, process: subprocess.Popen[str], pattern: bytes) -> bytes:
    """What a process writes to its terminal, up to a pattern or its end."""
    shown, end = b"", time.monotonic() + PATIENCE
    while not re.search(pattern, shown):
        assert time.monotonic() < end, shown
        if not select.select([screen], [], [], 0.5)[0]:
            continue
        try:
            shown += os.read(screen, 4096)
        except OSError:  # the process has closed its end
            assert process.wait(60) == 130, shown
            break
    return shown
