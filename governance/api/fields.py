"""The types of the API's fields: what each of them takes, stated once for the checks and for the description."""

import re
from datetime import UTC, date, datetime
from typing import Annotated, Any

from ninja import Path, Query
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

from adapters_core.ledger.records import TIME_EXAMPLE, time_text

LINE = r"^[^\x00-\x1f\x7f]*$"
"""One line without control characters."""
TEXT = r"^[^\x00]*$"
"""Text without the character that no database takes."""
ID = r"^[A-Za-z0-9][A-Za-z0-9._:-]*$"
"""A uuid, a digest or a name."""
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,20})?([Zz]|[+-]\d\d:\d\d)")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")


class Given(BaseModel):
    """What a body holds; a field that is not known is refused rather than overlooked."""

    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)


class Record(BaseModel):
    """What an answer holds, read from one of our records."""

    model_config = ConfigDict(from_attributes=True, use_attribute_docstrings=True)


def moment_of(given: object) -> object:
    """A moment of RFC 3339, in UTC.

    Raises:
        ValueError: it is none, or lies outside of the calendar.
    """
    if isinstance(given, datetime):
        return given
    if not isinstance(given, str) or not _MOMENT.fullmatch(given):
        raise ValueError(f"a moment must be like {TIME_EXAMPLE}, with its time zone")
    try:
        return datetime.fromisoformat(given.upper()).astimezone(UTC)
    except OverflowError as error:
        raise ValueError("a moment must lie within the years 1 to 9999") from error


_AS_MOMENT = WithJsonSchema({"type": "string", "format": "date-time", "examples": [TIME_EXAMPLE]})


def day_of(given: object) -> date:
    """A day of the calendar.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(given, str) or not _DAY.fullmatch(given):
        raise ValueError("a day must be like 2030-03-31")
    return date.fromisoformat(given)


Moment = Annotated[
    datetime,
    BeforeValidator(moment_of),
    PlainSerializer(time_text, return_type=str, when_used="unless-none"),
    _AS_MOMENT,
]
"""UTC with microseconds, as the ledger writes it."""
Day = Annotated[date, BeforeValidator(day_of), WithJsonSchema({"type": "string", "format": "date"})]
Json = dict[str, Any]
Name = Annotated[str, Path(pattern=ID, max_length=200, description="Its id, digest or name")]
Number = Annotated[int, Path(ge=0, lt=2**53, description="Its place in the ledger, from 0")]
Key = Annotated[str, Field(pattern=ID, max_length=200)]
Line = Annotated[str, Field(pattern=LINE, max_length=200)]
Reason = Annotated[str, Field(pattern=TEXT, min_length=1, max_length=2000)]
Limit = Annotated[int, Query(ge=1, le=200, description="How many at most")]
Before = Annotated[int | None, Query(ge=0, lt=2**53, description="`next` of the page before")]
Words = Annotated[str, Query(pattern=TEXT, max_length=200, description="Words that must all be in the name")]
Wanted = Annotated[str | None, Query(pattern=ID, max_length=200)]
Time = Annotated[Moment | None, Query(description="A moment of RFC 3339 with its time zone")]
