"""Frozen dataclasses from their JSON form, checked against the types that their fields declare."""

import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from adapters_core.errors import IntegrityError

T = TypeVar("T")


def build(kind: type[T], data: object, *, place: str = "") -> T:
    """A dataclass, or a field's value, from plain JSON data.

    Understands dataclasses, tuples of one type, mappings from text, unions, literals, text, numbers, flags and None;
    what is declared as ``object`` is taken as it is.

    Raises:
        IntegrityError: the data have another shape (the message names the place).
    """
    result: T = _value(kind, data, place or kind.__name__)
    return result


def _value(kind: Any, data: object, place: str) -> Any:  # noqa: ANN401  # types are data here
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return _union(arguments, data, place)
    if origin is Literal:
        if data in arguments and type(data) in {type(a) for a in arguments}:
            return data
        raise IntegrityError(f"{place} must be one of {arguments}, got {data!r}")
    if origin is tuple and isinstance(data, list | tuple):
        return tuple(_value(arguments[0], item, f"{place}[{i}]") for i, item in enumerate(data))
    if origin is Mapping and isinstance(data, Mapping):
        return {str(name): _value(arguments[1], item, f"{place}.{name}") for name, item in data.items()}
    if is_dataclass(kind) and isinstance(data, Mapping):
        return _record(kind, data, place)
    return _scalar(kind, data, place)


def _scalar(kind: Any, data: object, place: str) -> Any:  # noqa: ANN401  # types are data here
    if kind is float and isinstance(data, int) and not isinstance(data, bool):
        return float(data)  # canonical JSON writes 1.0 as 1
    if kind is object or (isinstance(kind, type) and type(data) is kind):
        return data
    raise IntegrityError(f"{place} must be {getattr(kind, '__name__', kind)}, got {data!r:.80}")


def _union(kinds: tuple[Any, ...], data: object, place: str) -> Any:  # noqa: ANN401  # types are data here
    problem: IntegrityError | None = None
    for kind in kinds:
        try:
            return _value(kind, data, place)
        except IntegrityError as error:
            problem = problem or error
    raise problem or IntegrityError(f"{place} has no type")


def _record(kind: Any, data: Mapping[str, Any], place: str) -> Any:  # noqa: ANN401  # types are data here
    hints = get_type_hints(kind)
    known = [f.name for f in fields(kind)]
    if unknown := sorted(set(data) - set(known)):
        raise IntegrityError(f"{place} has unknown fields {unknown}")
    if missing := [name for name in known if name not in data]:
        raise IntegrityError(f"{place} must have the fields {missing}")
    return kind(**{name: _value(hints[name], data[name], f"{place}.{name}") for name in known})
