"""What one looks for in the audit log, and what is to be verified."""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from adapters_core.ledger.queries import EntryFilter
from adapters_core.ledger.records import Subject
from governance.policy.words import EVENT_NAMES


class AuditFilter(forms.Form):
    """Everything may be left empty; days are those of the person's time zone."""

    event = forms.ChoiceField(label=_("What happened"), required=False)
    actor = forms.ChoiceField(label=_("By whom"), required=False)
    subject = forms.CharField(
        label=_("About (digest, number or name)"),
        required=False,
        max_length=255,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    since = forms.DateField(label=_("From day"), required=False, widget=forms.DateInput(attrs={"type": "date"}))
    until = forms.DateField(label=_("To day"), required=False, widget=forms.DateInput(attrs={"type": "date"}))

    def __init__(self, data: object, *, people: Sequence[tuple[str, str]]) -> None:
        super().__init__(data)  # type: ignore[arg-type]  # a QueryDict
        anything = ("", _("Everything"))
        events = sorted(((event, str(name)) for event, name in EVENT_NAMES.items()), key=lambda one: one[0])
        self.fields["event"].choices = [anything, *events]  # type: ignore[attr-defined]
        asked = str(self.data.get("actor", ""))
        others = [(asked, asked)] if asked and asked not in dict(people) else []
        self.fields["actor"].choices = [("", _("Everybody")), *people, *others]  # type: ignore[attr-defined]

    def wanted(self, subject: Subject | None) -> EntryFilter:
        """The filter of a valid form."""
        given = self.cleaned_data
        return EntryFilter(
            about=subject,
            events=(given["event"],) if given["event"] else (),
            actor=given["actor"] or None,
            since=_midnight(given["since"]),
            until=_midnight(given["until"] + timedelta(days=1)) if given["until"] else None,
        )


def _midnight(day: date | None) -> datetime | None:
    return timezone.make_aware(datetime.combine(day, time())) if day else None


class VerifyForm(forms.Form):
    full = forms.BooleanField(
        label=_("From the first entry on"),
        help_text=_("Otherwise from the last verified checkpoint on, which takes moments."),
        required=False,
    )
    artifacts = forms.BooleanField(label=_("Also the files of adapters and reports"), required=False)
    serving = forms.BooleanField(label=_("Also what the engines serve now"), required=False)
