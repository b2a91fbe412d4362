"""Reads a study file, or a part of one: strict YAML into the models of `config`, errors that name the line and the remedy."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from typing import Any, TypeVar

import yaml
from pydantic import TypeAdapter, ValidationError

from geomix import config, store
from geomix.errors import StudyError

Path = tuple[str | int, ...]
T = TypeVar("T")

_VARIABLE = re.compile(r"\$\{([^}]*)\}")


def load(uri: str) -> config.Study:
    """The study in the YAML file at `uri` (any URI). Raises StudyError, naming file, line and remedy."""
    return parse(text(uri), uri)


def text(uri: str) -> str:
    """The text of the YAML file at `uri` (any URI). Raises StudyError."""
    try:
        return store.read_bytes(uri).decode()
    except FileNotFoundError:
        raise StudyError(f"{uri}: no such study file", remedy="check the path; examples are in pipelines/studies/") from None
    except IsADirectoryError:
        raise StudyError(f"{uri}: a folder", wanted="a YAML study file") from None
    except UnicodeDecodeError as error:
        raise StudyError(f"{uri}: not a text file ({error.reason})", wanted="a YAML study file in UTF-8") from None


def parse(text: str, name: str = "study") -> config.Study:
    """The study in YAML `text`; `name` is what messages call the file."""
    return parse_part(TypeAdapter(config.Study), text, name, "a study, which begins with `name:`")


def parse_part(kind: TypeAdapter[T], text: str, name: str, wanted: str) -> T:
    """What `kind` makes of YAML `text`: a whole study, or a part such as its pool or its compositions, as strictly.

    `name` is what messages call the text, `wanted` what it should hold. Raises StudyError.
    """
    lines: dict[Path, int] = {}
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise StudyError(
            f"{name}, line {line}: not valid YAML: {error.problem}", remedy="check indentation and quotes"
        ) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise StudyError(
            f"{name}, line {line}: not valid YAML: {error.reason} (character {error.character!r})", remedy="remove it"
        ) from None
    if not isinstance(node, yaml.MappingNode):
        raise StudyError(f"{name}: not a YAML mapping", wanted=wanted)
    try:
        content = _value(node, (), lines, name)
    except RecursionError:
        raise StudyError(f"{name}: nested too deeply; does an anchor (&) contain itself (*)?") from None
    try:
        return kind.validate_python(content)
    except ValidationError as error:
        raise StudyError(_explain(error, lines, name)) from None


def _value(node: yaml.Node, path: Path, lines: dict[Path, int], name: str) -> Any:
    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key, line = str(key_node.value), key_node.start_mark.line + 1
            if key in result:
                raise StudyError(
                    f"{name}, line {line}: key {key!r} is repeated (first on line {lines[(*path, key)]})",
                    remedy="keep one of the two",
                )
            lines[(*path, key)] = line
            result[key] = _value(value_node, (*path, key), lines, name)
        return result
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, (*path, index), lines, name) for index, item in enumerate(node.value)]
    value = yaml.SafeLoader("")
    try:
        scalar = value.construct_object(node)
    except (yaml.YAMLError, ValueError) as error:
        # ValueError: what looks like a date or a number to YAML but is none, such as 2026-13-45.
        text = f"{name}, line {node.start_mark.line + 1}: {node.value!r}: {error}"
        raise StudyError(text, remedy="put quotes around it if it is text") from None
    return _expand(scalar, node.start_mark.line + 1, name) if isinstance(scalar, str) else scalar


def _expand(text: str, line: int, name: str) -> str:
    def replace(match: re.Match[str]) -> str:
        variable = match.group(1)
        if not variable.startswith("GEOMIX_"):
            raise StudyError(
                f"{name}, line {line}: ${{{variable}}} is not expanded", wanted="a variable that begins with GEOMIX_"
            )
        if variable not in os.environ:
            raise StudyError(f"{name}, line {line}: ${{{variable}}} is not set", remedy=f"export {variable}=... and run again")
        return os.environ[variable]

    return _VARIABLE.sub(replace, text)


def _explain(error: ValidationError, lines: Mapping[Path, int], name: str) -> str:
    messages = []
    for problem in error.errors(include_url=False):
        path, line = _locate(tuple(problem["loc"]), lines)
        text = problem["msg"].removeprefix("Value error, ")
        named, _, rest = text.partition(": ")
        if not path and tuple(named.split(".")) in lines:
            # A reference that does not fit is found by the whole study, which says in words where it stands.
            path, text = tuple(named.split(".")), rest
            line = lines[path]
        where = f"{name}, line {line}" + (f", {'.'.join(map(str, path))}" if path else "")
        if problem["type"] == "extra_forbidden":
            text = f"unknown key {path[-1]!r}" + _suggest(str(path[-1]), path, error)
        elif problem["type"] in ("literal_error", "union_tag_invalid"):
            expected = problem.get("ctx", {}).get("expected") or problem.get("ctx", {}).get("expected_tags", "")
            text = f"{problem.get('ctx', {}).get('tag') or problem['input']!r} is not one of {expected}"
        elif problem["type"] == "missing":
            text = "a required key is missing"
        elif "input" in problem and not isinstance(problem["input"], (dict, list)):
            text = f"{problem['input']!r}: {text}"
        messages.append(f"{where}: {text}")
    return "\n".join(dict.fromkeys(messages))


def _locate(loc: Path, lines: Mapping[Path, int]) -> tuple[Path, int]:
    # pydantic puts the tag of a union between the keys: keep only the parts that stand in the file, and a last,
    # missing one.
    path: Path = ()
    for index, part in enumerate(loc):
        if (*path, part) in lines or index == len(loc) - 1:
            path = (*path, part)
    known = path
    while known not in lines:
        known = known[:-1]
    return path, lines[known]


def _suggest(key: str, path: Path, error: ValidationError) -> str:
    fields = {f for model in _models() for f in model.model_fields}
    close = difflib.get_close_matches(key, sorted(fields), n=1)
    return f"; did you mean {close[0]!r}?" if close else "; remove it (see the study reference in README)"


def _models(of: type[config.Strict] = config.Strict) -> list[type[config.Strict]]:
    return [model for direct in of.__subclasses__() for model in (direct, *_models(direct))]
