"""One question, and who is asked it."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy

from governance.selectors.playground_pages import MOST

LONGEST = 1000


class PlaygroundForm(forms.Form):
    """A question for the base and up to three adapters."""

    question = forms.CharField(
        label=gettext_lazy("Question"),
        max_length=LONGEST,
        help_text=gettext_lazy("At most 1,000 characters. It is kept nowhere: neither the question nor the answers."),
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    ask = forms.MultipleChoiceField(
        error_messages={
            "required": gettext_lazy("Choose at least one adapter."),
            "invalid_choice": gettext_lazy("One of the adapters chosen cannot be asked: choose again."),
        },
    )

    def __init__(self, *args: Any, keys: Sequence[str], **kwargs: Any) -> None:  # noqa: ANN401  Django's signature
        super().__init__(*args, **kwargs)
        self.fields["ask"].choices = [(key, key) for key in keys]  # type: ignore[attr-defined]

    def clean_ask(self) -> list[str]:
        """At most three, each once."""
        chosen = list(dict.fromkeys(self.cleaned_data["ask"]))
        if len(chosen) > MOST:
            raise forms.ValidationError(gettext_lazy("Choose at most three adapters."))
        return chosen
