"""Forms about contexts."""

from pathlib import PurePath
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from governance.forms.proof import ProofForm
from governance.forms.recorded import no_personal_data
from governance.policy.personal_data import scan
from governance.services.submit_context import MAX_BYTES, MAX_QUESTIONS

SUFFIXES = (".txt", ".md")
MEGABYTES = MAX_BYTES // 2**20


class ContextForm(forms.Form):
    """A text to generate an adapter from, typed or as a file."""

    title = forms.CharField(
        validators=[no_personal_data],
        label=_("Title"),
        max_length=200,
        help_text=_(
            "What people call it. It stays in the ledger for ever, also when the text is erased: put no personal data "
            "into it. Names of people are not found by the search."
        ),
    )
    text = forms.CharField(
        label=_("Text"),
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 14}),
        help_text=_("Paste the text here, or choose a file below. Blank lines separate paragraphs."),
    )
    file = forms.FileField(
        label=_("File"),
        required=False,
        widget=forms.FileInput(attrs={"accept": ".txt,.md,text/plain,text/markdown"}),
        help_text=_("A text file (.txt or .md) in UTF-8, at most 2 MB."),
    )
    questions = forms.CharField(
        label=_("Questions"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 5}),
        help_text=_(
            "One a line: question | answer | further right answer. Without any, sentences of the text are used."
        ),
    )
    retention_until = forms.DateField(
        label=_("Keep until"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text=_("After this day the context is marked as due for erasure."),
    )
    personal_data_reason = forms.CharField(
        validators=[no_personal_data],
        label=_("Reason for using personal data"),
        required=False,
        max_length=1000,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=_("Needed only where personal data are found in the text. The reason is recorded as evidence."),
    )

    def clean_title(self) -> str:
        """A title without control characters."""
        title: str = self.cleaned_data["title"]
        if not title.isprintable():
            raise ValidationError(_("A title is one line without control characters."))
        return title

    def clean_file(self) -> str | None:
        """The text in the file."""
        file: UploadedFile[Any] | None = self.cleaned_data["file"]
        return read_text(file) if file else None

    def clean_questions(self) -> list[dict[str, Any]]:
        """Questions with their answers."""
        lines = [line.strip() for line in self.cleaned_data["questions"].splitlines()]
        return read_questions([line for line in lines if line])

    def clean(self) -> dict[str, Any]:
        """Exactly one text, not too long, with a reason where it holds personal data."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if "file" in self.errors:
            return cleaned
        typed, uploaded = cleaned.get("text") or "", cleaned.get("file") or ""
        if typed.strip() and uploaded.strip() and _plain(typed) != _plain(uploaded):
            raise ValidationError(_("Give the text or a file, not both: empty one of them."))
        text = uploaded or _plain(typed)
        if not text.strip():
            raise ValidationError(_("There is no text: paste it, or choose a file that holds some."))
        self._check(text)
        cleaned["text"] = text
        if scan(text) and not cleaned.get("personal_data_reason", "").strip():
            self.add_error(
                "personal_data_reason",
                _("Personal data were found: take them out of the text, or say why they may be used."),
            )
        return cleaned

    def _check(self, text: str) -> None:
        if len(text.encode(errors="replace")) > MAX_BYTES:
            raise ValidationError(
                gettext("The text has more than %(limit)d MB: submit it in parts.") % {"limit": MEGABYTES}
            )


class ReasonForm(forms.Form):
    """A reason, as it goes into the ledger."""

    reason = forms.CharField(
        validators=[no_personal_data], label=_("Reason"), max_length=1000, widget=forms.Textarea(attrs={"rows": 3})
    )


class EraseContextForm(ProofForm):
    """The legal basis of an erasure, and that one has seen what it does."""

    legal_basis = forms.CharField(
        validators=[no_personal_data],
        label=_("Legal basis"),
        max_length=1000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_(
            "For instance: request of the person concerned (APPI article 35), end of the retention period. It stays in "
            "the ledger for ever: name nobody in it."
        ),
    )
    understood = forms.BooleanField(label=_("I know that the text and its key are deleted for good."))


def read_text(file: "UploadedFile[Any]") -> str:
    """The text of an uploaded file.

    Raises:
        ValidationError: it is no text file in UTF-8, or too large; it says which.
    """
    if PurePath(file.name or "").suffix.lower() not in SUFFIXES:
        raise ValidationError(_("Only text files (.txt, .md) can be read: save the document as text first."))
    if (file.size or 0) > MAX_BYTES:
        raise ValidationError(
            gettext("The file has more than %(limit)d MB: submit it in parts.") % {"limit": MEGABYTES}
        )
    data = file.read()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValidationError(
            gettext("The file is not in UTF-8 (byte %(place)d): save it as UTF-8 and choose it again.")
            % {"place": error.start + 1}
        ) from error
    if "\0" in text:
        raise ValidationError(_("The file holds NUL characters: it is no plain text."))
    return _plain(text)


def read_questions(lines: list[str]) -> list[dict[str, Any]]:
    """``question | answer | further answer`` a line.

    Raises:
        ValidationError: a line has no answer, or there are too many.
    """
    if len(lines) > MAX_QUESTIONS:
        raise ValidationError(gettext("At most %(limit)d questions, please.") % {"limit": MAX_QUESTIONS})
    found = []
    for place, line in enumerate(lines, start=1):
        question, *answers = (part.strip() for part in line.replace("｜", "|").split("|"))
        right = [answer for answer in answers if answer]
        if not question or not right:
            raise ValidationError(gettext("Line %(place)d needs a question, a | and an answer.") % {"place": place})
        found.append({"question": question, "answers": right})
    return found


def _plain(text: str) -> str:
    """Lines end as in the file systems of servers: browsers send CR LF."""
    return text.replace("\r\n", "\n").replace("\r", "\n")
