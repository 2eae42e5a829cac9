"""Fields whose words go into the ledger."""

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from governance.policy.personal_data import scan


def no_personal_data(text: str) -> None:
    """A validator of such fields.

    Raises:
        ValidationError: personal data are recognised in the text.
    """
    if scan(text):
        raise ValidationError(
            _(
                "This is recorded for ever. It seems to hold a mail address, a telephone number, an individual number "
                "or a card number: take it out."
            )
        )
