"""Settings of a model: JSON values checked against, and converted to, the fields of its Config dataclass."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from geomix.errors import DataError

C = TypeVar("C")


def settings(model: str, kind: type[C], given: Mapping[str, Any]) -> C:
    """A `kind` (a dataclass) with the values in `given`. Raises DataError for an unknown name or a value of a wrong type.

    Whole numbers may come as floats: JSON through KFP turns 1 into 1.0. Lists become tuples.
    """
    hints = typing.get_type_hints(kind)
    names = [f.name for f in dataclasses.fields(kind)]  # type: ignore[arg-type]
    unknown = sorted(set(given) - set(names))
    if unknown:
        raise DataError(f"model {model}: unknown setting {unknown[0]!r}", wanted=f"one of {', '.join(names)}")
    return kind(**{name: _value(model, name, hints[name], value) for name, value in given.items()})


def _value(model: str, name: str, hint: Any, value: Any) -> Any:
    if typing.get_origin(hint) is tuple:
        inner = typing.get_args(hint)[0]
        if isinstance(value, (list, tuple)):
            return tuple(_value(model, name, inner, v) for v in value)
    elif typing.get_origin(hint) is typing.Literal:
        if value in typing.get_args(hint):
            return value
        raise DataError(f"model {model}: {name} is {value!r}", wanted=f"one of {', '.join(map(str, typing.get_args(hint)))}")
    elif hint in (bool, str):
        if isinstance(value, hint):
            return value
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        if hint is float:
            return float(value)
        if value == int(value):
            return int(value)
    raise DataError(f"model {model}: {name} is {value!r}", wanted=f"a value of type {getattr(hint, '__name__', hint)}")


def plain(config: Any) -> dict[str, Any]:
    """The fields of a Config as JSON values (tuples as lists)."""
    return {name: _list(value) for name, value in dataclasses.asdict(config).items()}


def _list(value: Any) -> Any:
    return [_list(v) for v in value] if isinstance(value, tuple) else value


def divides(model: str, width: int, heads: int, what: str) -> None:
    """Raises DataError unless `heads` attention heads share a width evenly."""
    if min(width, heads) < 1 or width % heads:
        raise DataError(f"model {model}: {what} {width} with {heads} heads", wanted="a multiple of the heads")
