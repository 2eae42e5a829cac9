"""Short words about a request, and delegations."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy

from governance.forms.recorded import no_personal_data
from governance.selectors.person_names import Named

LONGEST = 4000


class CommentForm(forms.Form):
    """A comment in circulation."""

    text = forms.CharField(
        validators=[no_personal_data],
        label=gettext_lazy("Your comment"),
        max_length=LONGEST,
        widget=forms.Textarea(attrs={"rows": 3}),
    )


class WithdrawForm(forms.Form):
    """Why a request is taken back."""

    comment = forms.CharField(
        validators=[no_personal_data],
        label=gettext_lazy("Reason"),
        max_length=LONGEST,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
    )


class DelegationForm(forms.Form):
    """To whom approvals are lent, until when, and why."""

    to = forms.ChoiceField(label=gettext_lazy("Delegate"))
    until = forms.DateTimeField(
        label=gettext_lazy("Until"),
        help_text=gettext_lazy("At most 90 days from now, in your time zone."),
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"],
    )
    reason = forms.CharField(
        validators=[no_personal_data],
        label=gettext_lazy("Reason"),
        max_length=LONGEST,
        widget=forms.Textarea(attrs={"rows": 2}),
    )

    def __init__(self, *args: Any, people: Sequence[Named], **kwargs: Any) -> None:  # noqa: ANN401  Django's signature
        super().__init__(*args, **kwargs)
        self.fields["to"].choices = [(one.id, one.name) for one in people]  # type: ignore[attr-defined]
