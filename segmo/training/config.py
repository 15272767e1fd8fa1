"""YAML files read into frozen dataclasses, strictly: a key that no dataclass knows, or a value of another type, is an error."""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml

from segmo.errors import SettingsError

Kind = TypeVar("Kind")
BASE = "base"
"""Key that names another file, relative to this one, whose values hold where this one has none."""


_SCIENTIFIC = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+")


def _load(text: str) -> Any:
    """Content of YAML text in which `1e-4` is a number, which YAML 1.1 denies for want of a point and a sign."""

    class Loader(yaml.SafeLoader):
        pass

    Loader.add_implicit_resolver("tag:yaml.org,2002:float", _SCIENTIFIC, list("-+.0123456789"))
    return yaml.load(text, Loader)


def read_yaml(path: Path) -> Any:
    """Content of a YAML file, on top of the file that its `base` names.

    Raises:
        SettingsError: a file cannot be read.
    """
    try:
        content = _load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise SettingsError(f"{path} cannot be read as YAML: {error}. Give a file such as segmo/training/configs/lite.yaml.") from error
    if not isinstance(content, dict) or BASE not in content:
        return content
    base = content.pop(BASE)
    if not isinstance(base, str) or (path.parent / base).resolve() == path.resolve():
        raise SettingsError(f"{path}: {BASE} is {base!r}. Give the name of another file in the same folder.")
    return _merged(read_yaml(path.parent / base), content)


def _merged(below: Any, above: Any) -> Any:
    if not isinstance(below, dict) or not isinstance(above, dict):
        return above
    return {**below, **{name: _merged(below.get(name), value) for name, value in above.items()}}


def with_changes(content: Any, changes: Sequence[str]) -> Any:
    """The content with `key=value` changes applied; `data.workers=0` reaches into mappings, `sources.0.root=x` into lists.

    Raises:
        SettingsError: a change is not of that form, or leads nowhere.
    """
    for change in changes:
        key, equals, text = change.partition("=")
        if not equals or not key:
            raise SettingsError(f"The change {change!r} has no value. Write it as in learning_rate=1e-4 or data.workers=0.")
        try:
            content = _changed(content, key.split("."), _load(text))
        except (yaml.YAMLError, LookupError, ValueError) as error:
            raise SettingsError(f"The change {change!r} cannot be made: {error}. Name a key of the file and give YAML.") from error
    return content


def _changed(content: Any, keys: list[str], value: Any) -> Any:
    if not keys:
        return value
    if isinstance(content, list):
        index = int(keys[0])
        return [*content[:index], _changed(content[index], keys[1:], value), *content[index + 1 :]]
    if content is not None and not isinstance(content, dict):
        raise LookupError(f"{content!r} has no {keys[0]}")
    below = content or {}
    return {**below, keys[0]: _changed(below.get(keys[0]), keys[1:], value)}


def build(kind: type[Kind], content: Any, where: str) -> Kind:
    """A dataclass from a mapping.

    Raises:
        SettingsError: a key is unknown, missing or of the wrong type.
    """
    if not isinstance(content, dict):
        raise SettingsError(f"{where} holds {content!r}. Give a mapping of names to values.")
    hints = typing.get_type_hints(kind)
    fields = {f.name: f for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    unknown = sorted(map(str, set(content) - set(fields)))
    if unknown:
        raise SettingsError(f"{where} has unknown keys: {', '.join(unknown)}. Known are {', '.join(fields)}.")
    missing = [n for n, f in fields.items() if n not in content and f.default is f.default_factory is dataclasses.MISSING]
    if missing:
        raise SettingsError(f"{where} lacks {', '.join(missing)}. Add a line for each.")
    return kind(**{name: _value(hints[name], value, f"{where}: {name}") for name, value in content.items()})


def _value(kind: Any, value: Any, where: str) -> Any:
    origin, options = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple:
        if not isinstance(value, list):
            raise SettingsError(f"{where} is {value!r}. Give a list.")
        return tuple(_value(options[0], item, where) for item in value)
    if origin is typing.Literal:
        if value not in options:
            raise SettingsError(f"{where} is {value!r}. Give one of {', '.join(options)}.")
        return value
    if origin in (typing.Union, types.UnionType):
        return None if value is None else _value(next(option for option in options if option is not type(None)), value, where)
    if hasattr(kind, "from_config"):
        return kind.from_config(value, where)
    if dataclasses.is_dataclass(kind):
        return build(typing.cast(Any, kind), value, where)
    if kind is Path and isinstance(value, str):
        return Path(value)
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if kind is not Path and type(value) is kind:
        return value
    raise SettingsError(f"{where} is {value!r}. Give a {'path' if kind is Path else kind.__name__}.")


def as_yaml(arguments: Any, **more: Any) -> str:
    """A dataclass, with all its values, as a file that `build` reads back; `more` comes first."""
    return yaml.safe_dump({**more, **_plain(arguments)}, sort_keys=False, allow_unicode=True)


def _plain(value: Any) -> Any:
    if hasattr(value, "to_config"):
        return value.to_config()
    if dataclasses.is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value
