"""A nested config as the flat parameters that MLflow stores."""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any

import yaml

MAX_KEY = 250
MAX_VALUE = 6000
CONFIG_ARTIFACT = "config/config.yaml"

_NOT_ALLOWED = re.compile(r"[^/\w.\- ]")


def flatten(config: Mapping[str, Any]) -> dict[str, str]:
    """Return one parameter per leaf of a config, under its dotted path.

    A leaf is anything but a mapping with entries; a list is one leaf, in JSON. Two paths that
    MLflow cannot tell apart get a number at their end.
    """
    params: dict[str, str] = {}
    for path, value in _leaves(config):
        wanted = key = allowed_key(".".join(path))
        count = 1
        while key in params:
            count += 1
            key = f"{wanted[: MAX_KEY - 10]}_{count}"
        params[key] = param_value(value)
    return params


def allowed_key(key: str) -> str:
    """Return the key in the characters, the form and the length that MLflow accepts."""
    key = _NOT_ALLOWED.sub("_", key)
    if posixpath.normpath(key) != key or key.startswith(("/", "..")) or key == ".":
        parts = [part for part in key.split("/") if part.strip(".")]
        key = "/".join(parts) or "_"
        key = f"_{key}" if key.startswith("..") else key
    if len(key) > MAX_KEY:
        digest = hashlib.sha256(key.encode()).hexdigest()[:8]
        key = f"{key[: MAX_KEY - 9]}-{digest}"
    return key


def param_value(value: Any) -> str:
    """Return a value as text: strings as they are, everything else in JSON."""
    value = plain(value)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = text.encode("utf-8", "backslashreplace").decode()
    if len(text) <= MAX_VALUE:
        return text
    note = f"... (shortened from {len(text)} characters, the whole value is in {CONFIG_ARTIFACT})"
    return text[: MAX_VALUE - len(note)] + note


def plain(value: Any) -> Any:
    """Return a value in the types that JSON and YAML know; others as their text."""
    if isinstance(value, Mapping):
        # A ticker may have been read as a number; only as that is it the same one later.
        kept = (bool, int, float, str)
        return {key if type(key) in kept else str(key): plain(item) for key, item in value.items()}
    if isinstance(value, Sequence | Set) and not isinstance(value, str | bytes):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    # YAML writes exactly these types, and no class derived from them.
    return value if value is None or type(value) in (bool, int, float, str) else str(value)


def to_yaml(value: Any) -> str:
    """Return a config or a list of overrides as YAML, in its own order."""
    text = str(yaml.safe_dump(plain(value), sort_keys=False, allow_unicode=True))
    # PyYAML reads an unescaped U+0085, the line break of mainframes, back as a space.
    return text if "\x85" not in text else str(yaml.safe_dump(plain(value), sort_keys=False))


def _leaves(config: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            for path, leaf in _leaves(value):
                yield (str(key), *path), leaf
        else:
            yield (str(key),), value
