"""Numbers that come in addresses, where anybody writes anything."""

from django.http import HttpRequest

DIGITS = 18
"""What fits into 64 bits."""


def place_in(request: HttpRequest, name: str = "before") -> int | None:
    """The place in a list that an address names; None where it names none."""
    given = request.GET.get(name, "")
    return int(given) if given.isascii() and given.isdigit() and len(given) <= DIGITS else None
