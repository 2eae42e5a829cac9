"""The audit log: a list with filters, one entry with its proof, and files to take along."""

import csv
import json
import tempfile
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from urllib.parse import urlencode

from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from adapters_core.errors import InputError
from adapters_core.ledger.checkpoints import latest_checkpoint
from adapters_core.ledger.pack import export_pack, export_slice
from adapters_core.ledger.queries import EntryFilter
from adapters_core.ledger.records import Entry, time_text
from adapters_core.ledger.transactions import Reader
from governance.forms.audit import AuditFilter
from governance.installation import installation
from governance.selectors import audit_reads
from governance.selectors.verification import public_keys
from governance.services.note_left import note_left
from governance.views.numbers import place_in
from governance.views.reading import reading
from governance.views.streaming import streamed

LONGEST_SLICE = 5_000
COLUMNS = ("seq", "time", "event", "subject_kind", "subject", "actor", "actor_name", "roles", "data", "leaf_hash")


@require_safe
def show_all(request: HttpRequest) -> HttpResponse:
    """The log, newest first."""
    with reading(request) as sight:
        form = _form(request, sight.reader)
        usable = form.is_valid()
        page = (
            audit_reads.lines(sight.reader, _wanted(form, sight.reader), before=place_in(request)) if usable else None
        )
        stands = audit_reads.standing(sight.reader, sight.at)
    asked = _asked(request)
    context = {
        "form": form,
        "page": page,
        "stands": stands,
        "asked": urlencode(asked),
        "first": f"?{urlencode(asked)}" if request.GET.get("before") else "",
        "next": f"?{urlencode({**asked, 'before': page.next})}" if page and page.next is not None else "",
    }
    return render(request, "governance/audit_page.html", context, status=200 if usable else 400)


@require_safe
def show(request: HttpRequest, seq: int) -> HttpResponse:
    """One entry: its body as it was hashed, and the proof that it is in the signed ledger."""
    with reading(request) as sight:
        proved = audit_reads.proved(sight.reader, seq)
        stands = audit_reads.standing(sight.reader, sight.at)
    return render(request, "governance/entry_page.html", {"proved": proved, "entry": proved.entry, "stands": stands})


@require_safe
def export(request: HttpRequest, form: str) -> HttpResponseBase:
    """The filtered log as a file, streamed: ``csv`` or ``jsonl``."""
    with reading(request) as sight:
        wanted = _checked(request, sight.reader)
    written = _csv(_entries(wanted)) if form == "csv" else (f"{entry.body}\n" for entry in _entries(wanted))
    kinds = {"csv": "text/csv; charset=utf-8", "jsonl": "application/jsonl; charset=utf-8"}
    return streamed(request, written, kind=kinds[form], name=f"audit-log.{form}")


@require_safe
def pack(request: HttpRequest, form: str) -> HttpResponseBase:
    """A pack that verifies without this system: the ``whole`` ledger, or a ``slice`` of the filtered entries."""
    with reading(request) as sight, tempfile.TemporaryDirectory(prefix="ringi-pack-") as folder:
        path = Path(folder) / f"ledger-{form}.zip"
        if form == "whole":
            export_pack(sight.reader, path, public_keys())
        else:
            export_slice(sight.reader, path, _signed(request, sight.reader), public_keys())
        newest = latest_checkpoint(sight.reader)
        packed = path.open("rb")  # it outlives its folder
    note_left(newest)
    return FileResponse(packed, as_attachment=True, filename=path.name)


def _signed(request: HttpRequest, reader: Reader) -> list[int]:
    covered = audit_reads.standing(reader, installation().ledger.clock()).checkpoint
    limit = covered.size if covered else 0
    found: list[int] = []
    for entry in audit_reads.every(reader, _checked(request, reader)):
        if entry.seq < limit:
            found.append(entry.seq)
        if len(found) > LONGEST_SLICE:
            raise InputError(
                _("A slice holds at most %(count)d entries: narrow the list, or take the whole ledger.")
                % {"count": LONGEST_SLICE}
            )
    return found


def _entries(wanted: EntryFilter) -> Iterator[Entry]:
    """In a snapshot of its own: the answer is still being sent when the view has returned."""
    with installation().ledger.read() as reader:
        yield from audit_reads.every(reader, wanted)


class _Echo:
    """Gives back what csv writes."""

    def write(self, row: str) -> str:
        """The row."""
        return row


def _csv(entries: Iterable[Entry]) -> Generator[str, None, None]:
    writer = csv.writer(_Echo())
    yield "\ufeff"  # spreadsheets take a file for UTF-8 by this mark
    yield str(writer.writerow(COLUMNS))
    for entry in entries:
        row = (
            entry.seq,
            time_text(entry.time),
            entry.event,
            entry.subject.kind,
            entry.subject.id,
            entry.actor.id,
            entry.actor.name,
            " ".join(entry.actor.roles),
            json.dumps(entry.data, ensure_ascii=False, sort_keys=True),
            entry.leaf_hash,
        )
        yield str(writer.writerow([_plain(cell) for cell in row]))


def _plain(cell: object) -> object:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell


def _form(request: HttpRequest, reader: Reader) -> AuditFilter:
    return AuditFilter(request.GET, people=audit_reads.people(reader))


def _wanted(form: AuditFilter, reader: Reader) -> EntryFilter:
    given = form.cleaned_data["subject"].strip()
    kind, colon, identifier = given.partition(":")
    if not given:
        return form.wanted(None)
    return form.wanted(audit_reads.named_subject(reader, kind if colon else "", identifier if colon else given))


def _checked(request: HttpRequest, reader: Reader) -> EntryFilter:
    form = _form(request, reader)
    if not form.is_valid():
        raise InputError(_("The filter of the list cannot be used: correct it on the page of the audit log first."))
    return _wanted(form, reader)


def _asked(request: HttpRequest) -> dict[str, str]:
    return {name: request.GET[name] for name in AuditFilter.base_fields if request.GET.get(name)}
