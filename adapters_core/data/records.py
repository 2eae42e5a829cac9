"""Reading fields of foreign JSON with errors that name the place."""

from collections.abc import Iterator
from dataclasses import dataclass

from adapters_core.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Node:
    """A value within a JSON file, and where it stands."""

    value: object
    place: str
    """File and path, such as ``squad.json: data[0].title``."""

    def field(self, name: str) -> "Node":
        """The field of an object.

        Raises:
            InputError: this is no object, or has no such field.
        """
        if not isinstance(self.value, dict):
            raise InputError(f"{self.place} must be an object, got {type(self.value).__name__}")
        if name not in self.value:
            raise InputError(f"{self.place} must have a field {name!r}, got {sorted(map(str, self.value))[:8]}")
        return Node(value=self.value[name], place=f"{self.place}.{name}")

    def has(self, name: str) -> bool:
        """Whether this is an object with such a field."""
        return isinstance(self.value, dict) and name in self.value

    def items(self) -> Iterator["Node"]:
        """The items of an array.

        Raises:
            InputError: this is no array.
        """
        if not isinstance(self.value, list):
            raise InputError(f"{self.place} must be an array, got {type(self.value).__name__}")
        for index, value in enumerate(self.value):
            yield Node(value=value, place=f"{self.place}[{index}]")

    def entries(self) -> Iterator[tuple[str, "Node"]]:
        """Names and values of an object.

        Raises:
            InputError: this is no object.
        """
        if not isinstance(self.value, dict):
            raise InputError(f"{self.place} must be an object, got {type(self.value).__name__}")
        for name, value in self.value.items():
            yield str(name), Node(value=value, place=f"{self.place}.{name}")

    def text(self, *, blank: bool = False) -> str:
        """A string, not blank unless ``blank``.

        Raises:
            InputError: this is no string, or a blank one.
        """
        if not isinstance(self.value, str):
            raise InputError(f"{self.place} must be a text, got {type(self.value).__name__}")
        if not blank and not self.value.strip():
            raise InputError(f"{self.place} must not be blank")
        return self.value
