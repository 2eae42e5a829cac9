"""Forms about adapters."""

from collections.abc import Iterable

from django import forms
from django.utils.translation import gettext_lazy as _

from governance.forms.recorded import no_personal_data


class RequestForm(forms.Form):
    """Asks for an approval."""

    slot = forms.ChoiceField(
        label=_("For which slot"), help_text=_("The slot says under which policy reviewers decide.")
    )
    comment = forms.CharField(
        validators=[no_personal_data],
        label=_("Why it is wanted"),
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("What the reviewer must know to decide. It is recorded."),
    )

    def __init__(self, *args: object, slots: Iterable[tuple[str, str]], **more: object) -> None:
        super().__init__(*args, **more)  # type: ignore[arg-type]
        field = self.fields["slot"]
        if isinstance(field, forms.ChoiceField):
            field.choices = list(slots)
