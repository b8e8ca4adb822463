"""Read `pygeoapi-config.yml` the way pygeoapi does, without pygeoapi.

`${VAR}` and `${VAR:-default}` in unquoted scalars are replaced from the environment and typed again, as pygeoapi
0.24 does. Every message names the place by its YAML path.
"""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from eo_pygeoapi.errors import ConfigError

_VARIABLE = re.compile(r"\$\{(?P<name>\w+)(:-(?P<default>[^}]*))?\}")


def read_config(path: Path) -> dict[str, Any]:
    """Parse the configuration file at `path`.

    Raises ConfigError when there is no such file, it is not YAML, or a `${VAR}` without default is not set.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot read the configuration file {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not a UTF-8 text file") from error
    try:
        config = yaml.load(text, Loader=_loader())
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: {_syntax(error)}") from error
    if not isinstance(config, dict):
        raise ConfigError(f"{path}: expected a mapping with server, logging, metadata and resources")
    return config


def _loader() -> type[yaml.SafeLoader]:
    class EnvironmentLoader(yaml.SafeLoader):
        pass

    def replaced(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> Any:
        return yaml.safe_load(_VARIABLE.sub(_from_environment, node.value))

    EnvironmentLoader.add_implicit_resolver("!env", re.compile(r".*?\$\{\w+(:-[^}]*)?\}"), None)
    EnvironmentLoader.add_constructor("!env", replaced)
    return EnvironmentLoader


def _from_environment(match: re.Match[str]) -> str:
    value = os.environ.get(match["name"], match["default"])
    if value is None:
        raise ConfigError(f"the configuration file uses ${{{match['name']}}}, which the environment does not set")
    return value


def _syntax(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    return f"not valid YAML: {where}{getattr(error, 'problem', None) or error}"


def yaml_path(*parts: str | int) -> str:
    """Write a YAML path: `resources.chirps3-daily.eo.schedules[0].cron`."""
    text = ""
    for part in parts:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def problems_of(
    error: ValidationError, name: Callable[[Sequence[str | int]], str], model: type[BaseModel]
) -> list[str]:
    """Write each mistake that pydantic found in a `model` as one sentence: what, which value, what is allowed.

    `name` turns a location into the name that the reader knows (a YAML path, an input's id).
    """
    return [_sentence(name(entry["loc"]), entry, model) for entry in error.errors(include_url=False)]


def _sentence(name: str, entry: Mapping[str, Any], model: type[BaseModel]) -> str:
    context = entry.get("ctx", {})
    match entry["type"]:
        case "missing":
            return f"{name}: is required"
        case "extra_forbidden":
            return f"{name}: is not known here; allowed: {', '.join(_members(model, entry['loc'][:-1]))}"
        case "literal_error":
            allowed = context["expected"].replace(" or ", ", ").replace("'", "")
            return f"{name}: {entry['input']!r} is not allowed; allowed: {allowed}"
        case "union_tag_invalid":
            allowed = context["expected_tags"].replace("'", "")
            return f"{name}.source: {context['tag']!r} is not allowed; allowed: {allowed}"
        case "union_tag_not_found":
            return f"{name}.source: is required"
        case "value_error":
            message = str(context["error"])
            return f"{name}: {message}" if name else message
        case _:
            return f"{name}: {_short(entry['input'])} is not allowed; {entry['msg'][0].lower()}{entry['msg'][1:]}"


def _members(model: type[BaseModel], loc: Sequence[str | int]) -> list[str]:
    """Return the members that the (part of a) model at this location has, as they are written."""
    found: list[type[BaseModel]] = [model]
    for part in loc:
        fields = [f for m in found for n, f in m.model_fields.items() if part in (n, f.alias)]
        inner = [m for field in fields for m in _models_in(field.annotation)]
        found = inner or found
        if (chosen := [m for m in found if part in _tags(m)]) and not fields:
            found = chosen
    return sorted({field.alias or n for m in found for n, field in m.model_fields.items() if not field.exclude})


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in _models_in(argument)]


def _tags(model: type[BaseModel]) -> tuple[Any, ...]:
    tag = model.model_fields.get("source")
    return get_args(tag.annotation) if tag else ()


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
