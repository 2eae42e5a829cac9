"""Whether the database's guards are in place, word for word as the migrations set them."""

import hashlib
from collections.abc import Iterator, Mapping

from sqlalchemy import text

from adapters_core.ledger.transactions import Reader
from adapters_core.ledger.verification.findings import Finding

SQLITE: Mapping[str, str] = {
    "checkpoints_guard_delete": "0ace5f195c68baa2",
    "checkpoints_guard_insert": "722e8b7872dbdc7a",
    "checkpoints_guard_update": "7fdac2771313aa2f",
    "entries_guard_delete": "0bec4e264cbe515e",
    "entries_guard_insert": "9601c2aaa4c00f4b",
    "entries_guard_update": "a9e5aa162bbb5771",
}
"""Trigger -> digest of its SQL."""
POSTGRES: Mapping[str, str] = {
    "checkpoints_guard_delete": "f565c5ffe868f8bf",
    "checkpoints_guard_insert": "7dc5b7bb28da4931",
    "checkpoints_guard_truncate": "f3e3e6ba722f6a20",
    "checkpoints_guard_update": "ee1d82f9564672dc",
    "entries_guard_delete": "f565c5ffe868f8bf",
    "entries_guard_insert": "c9a3e07e105a3132",
    "entries_guard_truncate": "f3e3e6ba722f6a20",
    "entries_guard_update": "ee1d82f9564672dc",
}
"""Trigger -> digest of its function's source and settings, and of when it fires: the event, a condition, columns."""


def check_guards(reader: Reader) -> Iterator[Finding]:
    """Name each guard that is missing, disabled, or reads otherwise."""
    postgres = reader.connection.dialect.name == "postgresql"
    found = guard_digests(reader)
    for name, digest in (POSTGRES if postgres else SQLITE).items():
        if name not in found:
            yield _finding(name, "it is missing or disabled: rows can be changed through the database")
        elif found[name] != digest:
            yield _finding(name, "it does not read as the migrations wrote it")


def guard_digests(reader: Reader) -> dict[str, str]:
    """name -> digest of what each guard does, for those that are in force."""
    query = _POSTGRES_QUERY if reader.connection.dialect.name == "postgresql" else _SQLITE_QUERY
    rows = reader.connection.execute(text(query))
    return {row[0]: hashlib.sha256(row[1].encode()).hexdigest()[:16] for row in rows}


_SQLITE_QUERY = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name IN ('entries', 'checkpoints')"
_POSTGRES_QUERY = """
SELECT t.tgname, concat(p.prosrc, p.proconfig, t.tgtype, t.tgqual, t.tgattr)
FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'ledger' AND c.relname IN ('entries', 'checkpoints') AND NOT t.tgisinternal
AND starts_with(t.tgname::text, c.relname || '_guard_')
AND t.tgenabled IN ('A', CASE current_setting('session_replication_role') WHEN 'replica' THEN 'R' ELSE 'O' END)
"""


def _finding(name: str, detail: str) -> Finding:
    return Finding(level="guards", code="missing_guard", what=f"guard {name}", detail=detail)
