"""Japanese is complete: nothing that a page can say is left in English or guessed."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import polib
import pytest

ROOT = Path(__file__).parents[3]
OURS = ROOT / "governance" / "locale" / "ja" / "LC_MESSAGES" / "django.po"
Key = tuple[str | None, str]


def keys(catalogue: Path) -> set[Key]:
    return {(entry.msgctxt, entry.msgid) for entry in polib.pofile(str(catalogue)) if not entry.obsolete}


def test_every_message_is_translated_and_none_is_guessed() -> None:
    entries = polib.pofile(str(OURS))

    assert [entry.msgid for entry in entries if not entry.translated() or entry.fuzzy or entry.obsolete] == []


def test_a_translation_fills_in_what_the_message_fills_in() -> None:
    def slots(text: str) -> set[str]:
        return set(re.findall(r"%\(\w+\)[sd]|\{\w*\}", text))

    for entry in polib.pofile(str(OURS)):
        for translated in [entry.msgstr, *entry.msgstr_plural.values()]:
            if translated:
                assert slots(translated) == slots(entry.msgid) | slots(entry.msgid_plural or ""), entry.msgid


def test_what_is_compiled_is_what_is_written() -> None:
    written = {(e.msgctxt, e.msgid): (e.msgstr, e.msgstr_plural) for e in polib.pofile(str(OURS))}
    compiled = {(e.msgctxt, e.msgid): (e.msgstr, e.msgstr_plural) for e in polib.mofile(str(OURS.with_suffix(".mo")))}

    assert compiled == written


@pytest.mark.skipif(shutil.which("xgettext") is None, reason="xgettext is not installed: apt-get install gettext")
def test_every_message_of_the_source_is_in_the_catalogue(tmp_path: Path) -> None:
    for name in ("governance", "templates"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("locale", "__pycache__"))
    (tmp_path / "locale").mkdir()
    extract = [sys.executable, "-m", "django", "makemessages", "--locale", "ja", "--no-location", "--no-obsolete"]

    # Without settings it needs no database and writes into the folder it starts in.
    surroundings = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}

    done = subprocess.run(extract, cwd=tmp_path, env=surroundings, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    extracted = keys(tmp_path / "locale" / "ja" / "LC_MESSAGES" / "django.po")
    assert extracted - keys(OURS) == set()
    assert keys(OURS) - extracted == set()
