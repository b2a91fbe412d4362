"""The errors geomix raises on purpose, and the exit code that follows from each class.

    GeomixError                 anything geomix can explain
    |- InputError        2      wrong input: mend it, a retry cannot help
    |  |- StudyError            the study file (names file and line)
    |  |- PoolError             a pool, its coordinates, its strata
    |  |- CompositionError      a composition that cannot be drawn as asked
    |  |- DataError             a file, table, array or checkpoint that is not what was promised
    |  `- TaskError             a downstream task, its labels, its shots
    |- BusyError         75     somebody else holds what is needed: retry
    |- UnavailableError  75     storage or a service did not answer within its bound: retry
    `- TrainingError     1      training went wrong (a loss that is not finite)

An error says what was seen, what was wanted and what to do next. `to_json` is what a failed step leaves as `error.json`.
"""

from __future__ import annotations

from typing import Any


class GeomixError(Exception):
    """An explained failure: `seen` (what was found), `wanted` (what was needed), `remedy` (what to do next)."""

    exit_code = 1

    def __init__(self, seen: str, *, wanted: str = "", remedy: str = "") -> None:
        self.seen, self.wanted, self.remedy = seen.strip(), wanted.strip(), remedy.strip()
        super().__init__(self.message)

    @property
    def message(self) -> str:
        """The whole message: one line for each of seen, wanted and remedy that is known."""
        lines = [self.seen]
        if self.wanted:
            lines.append(f"  wanted: {self.wanted}")
        if self.remedy:
            lines.append(f"  to mend it: {self.remedy}")
        return "\n".join(lines)

    @property
    def permanent(self) -> bool:
        """True if the same call would fail in the same way (exit code 2)."""
        return self.exit_code == 2

    def to_json(self) -> dict[str, Any]:
        """The content of `error.json`: class, seen, wanted, remedy, exit_code."""
        return {
            "class": type(self).__name__,
            "seen": self.seen,
            "wanted": self.wanted,
            "remedy": self.remedy,
            "exit_code": self.exit_code,
        }

    def __reduce__(self) -> tuple[Any, ...]:
        # Keyword-only arguments do not survive the default pickling, and errors travel between Ray workers.
        return (_rebuild, (type(self), self.seen, self.wanted, self.remedy))


def _rebuild(cls: type[GeomixError], seen: str, wanted: str, remedy: str) -> GeomixError:
    return cls(seen, wanted=wanted, remedy=remedy)


class InputError(GeomixError):
    """Wrong input."""

    exit_code = 2


class StudyError(InputError):
    """A study file that is not valid."""


class PoolError(InputError):
    """A pool that cannot be built or used."""


class CompositionError(InputError):
    """A composition that cannot be drawn as asked."""


class DataError(InputError):
    """A file, table, array or checkpoint that is not what was promised."""


class TaskError(InputError):
    """A downstream task that cannot be judged as asked."""


class BusyError(GeomixError):
    """Another process holds what is needed."""

    exit_code = 75


class UnavailableError(GeomixError):
    """Storage or a service did not answer within its bound."""

    exit_code = 75


class TrainingError(GeomixError):
    """Training stopped by itself."""


_CLASSES: dict[str, type[GeomixError]] = {
    c.__name__: c
    for c in (
        GeomixError,
        InputError,
        StudyError,
        PoolError,
        CompositionError,
        DataError,
        TaskError,
        BusyError,
        UnavailableError,
        TrainingError,
    )
}


def from_json(content: dict[str, Any]) -> GeomixError:
    """The error that `error.json` describes; a class unknown here (a newer version's) becomes a plain GeomixError."""
    cls = _CLASSES.get(str(content.get("class")), GeomixError)
    error = cls(str(content.get("seen", "")), wanted=str(content.get("wanted", "")), remedy=str(content.get("remedy", "")))
    error.exit_code = int(content.get("exit_code", cls.exit_code))
    return error
