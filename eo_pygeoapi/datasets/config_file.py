"""Read `pygeoapi-config.yml` the way pygeoapi does, without pygeoapi.

`${VAR}` and `${VAR:-default}` in unquoted scalars are replaced from the environment and typed again, as pygeoapi
0.24 does. Every message names the place by its line or its YAML path.
"""

import os
import re
import threading
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from eo_pygeoapi.errors import ConfigError
from eo_pygeoapi.json_types import JsonMapping, JsonObject
from eo_pygeoapi.wording import nearest, not_known, shown

_VARIABLE = re.compile(r"\$\{(?P<name>\w+)(:-(?P<default>[^}]*))?\}")
# what makes an unquoted scalar one with variables in it
HAS_VARIABLE = re.compile(rf".*?{_VARIABLE.pattern}")
_MERGE = "tag:yaml.org,2002:merge"
_CONSTRUCTING = threading.Lock()
# what is allowed, by pydantic's type of mistake
_ALLOWED = {
    "bool_type": "a boolean, true or false",
    "dict_type": "an object",
    "float_type": "a number",
    "greater_than_equal": "{ge:g} or more",
    "int_type": "an integer",
    "invalid_key": "names that are strings; put it in quotes",
    "less_than_equal": "{le:g} or less",
    "list_type": "a list",
    "model_attributes_type": "an object",
    "model_type": "an object",
    "string_pattern_mismatch": "a string that matches {pattern}",
    "string_too_long": "{max_length} or fewer characters",
    "string_too_short": "{min_length} or more characters",
    "string_type": "a string",
    "too_short": "{min_length} or more characters",
}


class Filled(str):
    """Text that variables were put into; `written` is as it stands in the file."""

    written: str

    def __new__(cls, text: str, written: str) -> "Filled":
        """Make one of the text with the variables' values."""
        made = super().__new__(cls, text)
        made.written = written
        return made

    def __getnewargs__(self) -> tuple[str, str]:  # type: ignore[override]
        """Return what a copy is made of."""
        return str(self), self.written


def read_config(path: Path) -> JsonObject:
    """Parse the configuration file at `path`.

    Raises ConfigError when there is no such file, it is not YAML, and, with every mistake, when a `${VAR}` without
    default is not set or a mapping has a key twice (YAML itself would silently take the last).
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(cannot_read(path, error)) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not a UTF-8 text file") from error
    problems: list[str] = []
    try:
        config = _parsed(text, problems)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise ConfigError(f"{path}: not valid YAML: {where}{getattr(error, 'problem', None) or error}") from error
    if problems:
        raise ConfigError([f"{path}: {problem}" for problem in problems])
    if not isinstance(config, dict):
        raise ConfigError(f"{path}: expected a mapping with server, logging, metadata and resources")
    return config


def cannot_read(path: Path | str, error: OSError) -> str:
    """Say why the file cannot be read, and what writes one where there is none."""
    hint = "; `eo-pygeoapi init` writes one" if isinstance(error, FileNotFoundError) else ""
    return f"cannot read the configuration file {path}: {error.strerror}{hint}"


def _parsed(text: str, problems: list[str]) -> object:
    """Parse YAML; replaces variables, and adds to `problems` what YAML would let pass."""
    with _CONSTRUCTING:  # which changes the nodes where mappings are merged
        document, found = _composed(text)
        problems.extend(found)
        return None if document is None else _loader(problems)("").construct_document(document)


@lru_cache(maxsize=1)
def _composed(text: str) -> tuple[yaml.Node | None, tuple[str, ...]]:
    """Return the nodes of a text, and what is wrong with their keys.

    Most of the time goes into this, and it does not depend on the environment. The zygote has read the file before it
    forks, so that a run reads it anew and need not take it apart, unless it was edited.
    """
    problems: list[str] = []
    loader = _loader(problems)(text)
    try:
        return loader.get_single_node(), tuple(problems)
    finally:
        loader.dispose()


def _loader(problems: list[str]) -> type[yaml.SafeLoader]:
    """Return a loader that replaces variables and adds to `problems` what YAML would let pass."""

    class ConfigurationLoader(yaml.SafeLoader):
        def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
            node: yaml.MappingNode = super().compose_mapping_node(anchor)
            seen: dict[tuple[str, str], yaml.Node] = {}
            for key, _ in node.value:
                if not isinstance(key, yaml.ScalarNode) or key.tag == _MERGE:
                    continue
                first = seen.setdefault((key.tag, key.value), key)
                if first is not key:
                    again = f"line {_line(key)}: the key {key.value!r} stands here again"
                    problems.append(f"{again}, first in line {_line(first)}")
            return node

    def replaced(_loader: yaml.SafeLoader, node: yaml.ScalarNode) -> object:
        unset = [m["name"] for m in _VARIABLE.finditer(node.value) if _value(m) is None]
        problems.extend(f"line {_line(node)}: uses ${{{name}}}, which the environment does not set" for name in unset)
        found = _typed(_VARIABLE.sub(lambda match: _value(match) or "", node.value))
        return Filled(found, node.value) if isinstance(found, str) else found

    def dated(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> object:
        try:
            return loader.construct_yaml_timestamp(node)
        except ValueError:
            problems.append(f"line {_line(node)}: {node.value!r} looks like a date and is none")
            return node.value

    ConfigurationLoader.add_implicit_resolver("!env", HAS_VARIABLE, None)
    ConfigurationLoader.add_constructor("!env", replaced)
    ConfigurationLoader.add_constructor("tag:yaml.org,2002:timestamp", dated)
    return ConfigurationLoader


def _value(match: re.Match[str]) -> str | None:
    return os.environ.get(match["name"], match["default"])


def _typed(text: str) -> object:
    """Return the text as the type that pygeoapi gives it, which is not YAML's: `yes` and `2025-07-01` stay text."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    if "." not in text and len(text) > 1 and text.startswith("0"):
        return text
    try:
        return float(text) if "." in text else int(text)
    except ValueError:
        return text


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def yaml_path(*parts: str | int) -> str:
    """Write a YAML path: `resources.chirps3-daily.eo.schedules[0].cron`."""
    text = ""
    for part in parts:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


MOST_MISTAKES = 200


def problems_of(
    error: ValidationError, name: Callable[[Sequence[str | int]], str], model: type[BaseModel]
) -> list[str]:
    """Write each mistake that pydantic found in a `model` as one sentence: what, which value, what is allowed.

    Beyond `MOST_MISTAKES` it says how many more there are: sentences take a while, and requests may have a million.
    `name` turns a location into the name that the reader knows (a YAML path, an input's id).
    """
    found = error.errors(include_url=False)
    sentences = [_sentence(name(entry["loc"]), entry, model) for entry in found[:MOST_MISTAKES]]
    return sentences if len(found) <= MOST_MISTAKES else [*sentences, f"{len(found) - MOST_MISTAKES} more mistakes"]


def _sentence(name: str, entry: JsonMapping, model: type[BaseModel]) -> str:
    context = entry.get("ctx", {})
    refused = f"{name}: {shown(entry['input'])} is not allowed"
    match entry["type"]:
        case "missing":
            return f"{name}: is required"
        case "extra_forbidden":
            return f"{name}: {not_known(entry['loc'][-1], _members(model, entry['loc'][:-1]))}"
        case "literal_error":
            allowed = context["expected"].replace(" or ", ", ").replace("'", "")
            return f"{refused}; allowed: {allowed}{nearest(entry['input'], allowed.split(', '))}"
        case "union_tag_invalid":
            allowed = context["expected_tags"].replace("'", "")
            return f"{name}.source: {shown(entry['input']['source'])} is not allowed; allowed: {allowed}"
        case "union_tag_not_found":
            return f"{name}.source: is required"
        case "value_error":
            message = str(context["error"])
            return f"{name}: {message}" if name else message
        case kind if kind in _ALLOWED:
            return f"{refused}; allowed: {_ALLOWED[kind].format(**context)}"
        case _:
            return f"{refused}; {entry['msg'][0].lower()}{entry['msg'][1:]}"


def _members(model: type[BaseModel], loc: Sequence[str | int]) -> list[str]:
    """Return the members that the (part of a) model at this location has, as they are written."""
    found: list[type[BaseModel]] = [model]
    for part in loc:
        fields = [f for m in found for n, f in m.model_fields.items() if part in (n, f.alias)]
        inner = [m for field in fields for m in _models_in(field.annotation)]
        found = inner or found
        tags = {m: m.model_fields["source"] for m in found if "source" in m.model_fields}
        if (chosen := [m for m, tag in tags.items() if part in get_args(tag.annotation)]) and not fields:
            found = chosen
    return sorted({field.alias or n for m in found for n, field in m.model_fields.items() if not field.exclude})


def _models_in(annotation: object) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in _models_in(argument)]
