"""The manifest: RFC 8785 both ways, every field bound by the digest, every change found."""

import json
import math
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters_core.canonical import canonical_bytes, digest_of
from adapters_core.errors import IntegrityError
from adapters_core.manifest import (
    SCHEMA,
    BaseRecord,
    ChunkRecord,
    Environment,
    GeneratorRecord,
    Identity,
    Manifest,
    Observation,
    SiteNorms,
    differences,
)

NORMS = SiteNorms(frobenius=1.5, spectral=1.25, effective_rank=2.0, spectral_gap=None, lost=0.0)
IDENTITY = Identity(
    base=BaseRecord(digest="b" * 64, weights="w" * 64, config="c" * 64, tokenizer=None, source="tiny", revision=None),
    generator=GeneratorRecord(digest="g" * 64, config={"rank": 8, "alpha": 4.0, "target_modules": ["o_proj"]}),
    environment=Environment(device="cpu", dtype="float32", threads=1, libraries={"torch": "2.13.0"}, seeds={}),
    parent=None,
    added=(ChunkRecord(commitment="1" * 64, tokens=24), ChunkRecord(commitment="2" * 64, tokens=30)),
    erased=(),
    chunk_count=2,
    token_count=54,
    decay=1.0,
    state_sha256="a" * 64,
    weights_sha256="d" * 64,
    config_sha256="e" * 64,
    session_commitment="f" * 64,
    rank=8,
    norms={"model.layers.0.self_attn.o_proj": NORMS},
    drift=None,
)
OBSERVATION = Observation(created_at="2026-11-23T09:00:00.000+00:00", seconds=0.5, code_version="0.1.0", batched=False)
MANIFEST = Manifest(identity=IDENTITY, observation=OBSERVATION)

OTHER: dict[str, Any] = {
    "parent": "9" * 64,
    "added": IDENTITY.added[::-1],
    "erased": ("3" * 64,),
    "chunk_count": 3,
    "token_count": 55,
    "decay": 0.5,
    "rank": 16,
    "norms": {"model.layers.1.self_attn.o_proj": NORMS},
    "drift": {"cosine": 1.0},
    **dict.fromkeys(("state_sha256", "weights_sha256", "config_sha256", "session_commitment"), "0" * 64),
    "base": replace(IDENTITY.base, tokenizer="t" * 64),
    "generator": replace(IDENTITY.generator, config={"rank": 8}),
    "environment": replace(IDENTITY.environment, threads=2),
}
"""Another value of every field of an identity."""


def leaves(value: object, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], object]]:
    """Every scalar of plain JSON data, with its path."""
    if isinstance(value, dict):
        for name, part in value.items():
            yield from leaves(part, (*path, name))
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from leaves(part, (*path, index))
    else:
        yield path, value


def changed(tree: Any, path: tuple[Any, ...], value: object) -> Any:
    """A copy of plain JSON data with one scalar replaced."""
    copy = json.loads(json.dumps(tree))
    place = copy
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    return copy


def other(value: object) -> Any:
    """Another value of the same type."""
    match value:
        case bool():
            return not value
        case int() | float():
            return value + 1
        case str():
            return value + "x"
        case _:
            return "x"


TREE = json.loads(MANIFEST.to_bytes())


def test_the_file_is_canonical_json_and_comes_back() -> None:
    data = MANIFEST.to_bytes()

    assert data == canonical_bytes(json.loads(data))
    assert b" " not in data.replace(b'"0.1.0"', b"")
    assert list(TREE) == sorted(TREE)
    assert TREE["schema"] == SCHEMA
    assert Manifest.from_bytes(data) == MANIFEST
    assert Manifest.from_bytes(data).to_bytes() == data


def test_the_digest_is_the_sha256_of_the_canonical_identity() -> None:
    assert MANIFEST.digest == digest_of(TREE["identity"]) == TREE["digest"]
    assert MANIFEST.sha256() != MANIFEST.digest


def test_every_field_has_another_value_in_this_test() -> None:
    assert set(OTHER) == {field.name for field in fields(Identity)}


@pytest.mark.parametrize("name", sorted(OTHER))
def test_every_field_of_the_identity_is_bound_by_the_digest(name: str) -> None:
    other_identity = replace(IDENTITY, **{name: OTHER[name]})

    assert replace(MANIFEST, identity=other_identity).digest != MANIFEST.digest
    assert set(differences(IDENTITY, other_identity)) == {name}
    assert differences(IDENTITY, other_identity)[name] == (getattr(IDENTITY, name), OTHER[name])


@pytest.mark.parametrize(
    "path", [path for path, _ in leaves(TREE["identity"])], ids=lambda path: ".".join(map(str, path))
)
def test_every_changed_value_of_an_identity_is_found(path: tuple[Any, ...]) -> None:
    value = dict(leaves(TREE["identity"]))[path]
    tampered = changed(TREE, ("identity", *path), other(value))

    with pytest.raises(IntegrityError):
        Manifest.from_bytes(canonical_bytes(tampered))


@pytest.mark.parametrize("name", sorted(field.name for field in fields(Observation)))
def test_what_was_observed_is_not_part_of_the_digest(name: str) -> None:
    seen = replace(MANIFEST, observation=replace(OBSERVATION, **{name: other(getattr(OBSERVATION, name))}))

    assert seen.digest == MANIFEST.digest
    assert seen.sha256() != MANIFEST.sha256()


@given(
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(1e-9, 1.0),
    st.integers(-(2**53) + 1, 2**53 - 1),
    st.text(st.characters(exclude_categories=["Cs"])),
)
def test_any_number_and_text_comes_back(norm: float, decay: float, count: int, text: str) -> None:
    manifest = replace(
        MANIFEST,
        identity=replace(
            IDENTITY,
            base=replace(IDENTITY.base, source=text, revision=text),
            chunk_count=count,
            decay=decay,
            norms={text: replace(NORMS, frobenius=norm, spectral_gap=norm)},
            drift={"cosine": norm},
        ),
    )
    back = Manifest.from_bytes(manifest.to_bytes())

    assert back == manifest
    assert back.digest == manifest.digest
    assert type(back.identity.decay) is float


def test_equal_manifests_have_equal_bytes_whatever_the_order_of_their_names() -> None:
    libraries = {"torch": "2.13.0", "numpy": "2.4", "python": "3.11.7"}
    one, two = (
        replace(MANIFEST, identity=replace(IDENTITY, environment=replace(IDENTITY.environment, libraries=names)))
        for names in (libraries, dict(reversed(libraries.items())))
    )

    assert one.to_bytes() == two.to_bytes()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "must be JSON"),
        (MANIFEST.to_bytes()[:-1], "must be JSON"),
        (b"\xff\xfe", "must be JSON"),
        (b"[" * 100_000, "must be JSON"),
        (b"[]", "must be of schema"),
        (b"null", "must be of schema"),
        (canonical_bytes({**TREE, "schema": "ringi-adapter-9"}), "must be of schema ringi-adapter-1, got 'ringi-ad"),
        (canonical_bytes({"schema": SCHEMA}), "must have the fields"),
        (canonical_bytes({**TREE, "digest": "0" * 64}), "it was changed"),
        (canonical_bytes({**TREE, "extra": 1}), "must be canonical JSON"),
        (json.dumps(TREE).encode(), "must be canonical JSON"),
        (MANIFEST.to_bytes() + b"\n", "must be canonical JSON"),
        (MANIFEST.to_bytes().replace(b'"threads":1', b'"threads":1e0'), "manifest.identity.environment.threads"),
        (MANIFEST.to_bytes().replace(b'"threads":1', b'"threads":NaN'), "manifest.identity.environment.threads"),
        (MANIFEST.to_bytes().replace(b'"decay":1', b'"decay":NaN'), "what canonical JSON can"),
        (MANIFEST.to_bytes().replace(b'"rank":8,"se', b'"rank":99999999999999999999,"se'), "what canonical JSON can"),
        (MANIFEST.to_bytes().replace(b'"rank":8,"se', b'"rank":8,"rank":8,"se'), "must be canonical JSON"),
        (canonical_bytes(changed(TREE, ("identity", "rank"), "8")), "manifest.identity.rank must be int"),
        (canonical_bytes(changed(TREE, ("identity", "added"), {})), "manifest.identity.added"),
        (canonical_bytes(changed(TREE, ("identity", "surprise"), 1)), "unknown fields"),
    ],
)
def test_what_is_no_manifest_is_refused(data: bytes, message: str) -> None:
    assert data != MANIFEST.to_bytes()

    with pytest.raises(IntegrityError, match=message):
        Manifest.from_bytes(data)


def test_a_manifest_that_holds_no_numbers_is_never_written() -> None:
    for bad in (math.nan, math.inf):
        with pytest.raises(ValueError, match="not representable"):
            replace(MANIFEST, identity=replace(IDENTITY, decay=bad)).to_bytes()


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match=r"no manifest at .*none\.json"):
        Manifest.read(tmp_path / "none.json")
    (tmp_path / "manifest.json").write_bytes(MANIFEST.to_bytes())
    assert Manifest.read(tmp_path / "manifest.json") == MANIFEST


def test_every_record_is_frozen_and_named_by_keyword() -> None:
    for record in (MANIFEST, IDENTITY, OBSERVATION, NORMS, IDENTITY.base):
        assert is_dataclass(record)
        with pytest.raises(AttributeError):
            setattr(record, fields(record)[0].name, None)
