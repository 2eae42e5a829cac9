"""Documents are checked where they enter."""

from pathlib import Path

import pytest

from adapters_core.data.documents import Document, read_documents
from adapters_core.errors import ContextError, StorageError


def test_documents_come_back_in_the_order_of_their_paths(tmp_path: Path) -> None:
    (tmp_path / "b.md").write_bytes("第一条 \r\n".encode())
    (tmp_path / "a.md").write_bytes(b"Second.")

    documents = read_documents([tmp_path / "b.md", str(tmp_path / "a.md")])

    assert documents == (Document(name="b.md", text="第一条 \r\n"), Document(name="a.md", text="Second."))


def test_files_of_one_name_are_told_apart_by_their_folder(tmp_path: Path) -> None:
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "rules.md").write_text(f"Rules of {folder}.")
    paths = [tmp_path / "x" / "rules.md", tmp_path / "y" / "rules.md"]

    assert [document.name for document in read_documents(paths)] == [path.as_posix() for path in paths]


def test_bytes_that_are_not_utf8_are_refused_with_their_offset(tmp_path: Path) -> None:
    file = tmp_path / "sjis.txt"
    file.write_bytes(b"ok " + "稟議".encode("shift_jis"))

    with pytest.raises(ContextError, match=r"must be UTF-8 text, got byte 0xe2 at offset 3"):
        read_documents([file])


def test_text_cut_within_a_character_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "cut.txt"
    file.write_bytes("稟議".encode()[:-1])

    with pytest.raises(ContextError, match="offset 3"):
        read_documents([file])


@pytest.mark.parametrize("content", [b"", b" \n\t\r\n", "\u3000".encode()])
def test_an_empty_file_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "empty.md"
    file.write_bytes(content)

    with pytest.raises(ContextError, match="must hold text"):
        read_documents([file])


def test_a_missing_file_a_folder_and_no_path_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ContextError, match="must exist"):
        read_documents([tmp_path / "nowhere.md"])
    with pytest.raises(ContextError, match="is a folder"):
        read_documents([tmp_path])
    with pytest.raises(ContextError, match="at least one document"):
        read_documents([])


def test_a_file_named_twice_is_refused_however_it_is_written(tmp_path: Path) -> None:
    file = tmp_path / "a.md"
    file.write_text("Text.")

    with pytest.raises(ContextError, match="twice"):
        read_documents([file, tmp_path / "." / "a.md"])


def test_a_file_over_the_limit_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "big.md"
    file.write_text("x" * 11)

    with pytest.raises(ContextError, match="at most 10 bytes"):
        read_documents([file], max_file_bytes=10)
    assert read_documents([file], max_file_bytes=11)[0].text == "x" * 11


def test_a_file_that_cannot_be_read_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("not a folder")

    with pytest.raises(StorageError, match="must be readable"):
        read_documents([tmp_path / "plain" / "below.md"])


def test_a_document_must_have_a_name_and_valid_text() -> None:
    with pytest.raises(ContextError, match="name"):
        Document(name="", text="Text.")
    with pytest.raises(ContextError, match="surrogate at character 1"):
        Document(name="a", text="x\ud800")
