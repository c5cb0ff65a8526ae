"""Passwords and tokens: found in texts and configs, and left out of all that is written down."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

HIDDEN = "***"
_NAMES = (
    r"(?:password|passwd|passphrase|pwd|token|secret|api[_-]?key(?:[_-]?id)?|access[_-]?key|secret[_-]?key"
    r"|private[_-]?key|credentials?)"
)
_SECRET_NAME = re.compile(rf"(?i){_NAMES}$")
_FOLDERS = ("PWD", "OLDPWD")
"""What shells export: the working folder, which is no password."""
_LEAST = 8
"""Characters of a secret that is looked for wherever it may stand: shorter ones are words, too."""
_WORD = re.compile(r"[a-z]{1,15}|[A-Z]{1,15}|[A-Z][a-z]{1,14}")
"""So are these: to replace postgres in every path would lose the paths."""

_USER = re.compile(r"://[^/?#\s'\"@]*@")
_PASSWORD = re.compile(r"://[^/?#\s'\":@]*:(?!\d+[,)\]}])[^\s'\"]*@")
_PORT = r"(?!\d+(?:[/?#,;][^\s@]*)?\s)"
"""No password: a number, and white space before any ``@``."""
_PASSWORD_IN_ARGUMENT = re.compile(rf"://[^/?#\s:@]*:{_PORT}.*@", re.DOTALL)
_QUERY = re.compile(rf"(?i)([?&;][\w.%-]*{_NAMES}=)[^&;\s'\"#]+")
_SETTING = re.compile(
    rf"(?i)((?:^|(?<=[\s'\"{{(,\[+~]))[\w./@-]*{_NAMES}['\"]?\s*[=:]\s*(?=[^\s$]))"
    r"(?:'[^']*'|\"[^\"]*\"|\[[^\]]*\]|[^\s,})\]'\"]+)"
)
"""As it is written in an override, in YAML and in JSON."""
_ADDRESS_PASSWORD = re.compile(rf"://[^/?#\s:@]*:{_PORT}(.*)@", re.DOTALL)
_QUERY_VALUE = re.compile(rf"(?i)[?&;][\w.%-]*{_NAMES}=([^&;\s'\"#]+)")

_found: set[str] = set()
"""Secrets of this process's config, which errors of libraries may repeat in any form."""


def is_secret_name(name: str) -> bool:
    """Return whether a setting or variable of this name holds a secret.

    Example:
        >>> is_secret_name("api_key"), is_secret_name("MLFLOW_TRACKING_PASSWORD")
        (True, True)
        >>> is_secret_name("uri"), is_secret_name("n_tokens"), is_secret_name("PWD")
        (False, False, False)
    """
    return name not in _FOLDERS and bool(_SECRET_NAME.search(name))


def without_secrets(text: str) -> str:
    """Return a text without its passwords and tokens.

    The ``user:password@`` of an address is left out; what stands behind ``?token=`` or
    ``agent.api_key=`` becomes ``***``, and so does a secret of this process, wherever it stands.

    Example:
        >>> without_secrets("tracking.uri=http://bob:pa/s@s@host:5000 agent.api_key=abc")
        'tracking.uri=http://host:5000 agent.api_key=***'
    """
    text = _PASSWORD.sub("://", text)
    text = _USER.sub("://", text)
    text = _QUERY.sub(rf"\g<1>{HIDDEN}", text)
    text = _SETTING.sub(rf"\g<1>{HIDDEN}", text)
    for secret in sorted(_found | _of_environment(), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return text


def argument_without_secrets(argument: str) -> str:
    """Return an argument of a command line without secrets, spaces in them included."""
    key, mark, value = argument.partition("=")
    is_setting = mark and "://" not in key  # else it is an address whose query has a password
    if is_setting and value and "$" not in value and is_secret_name(key):
        return f"{key}={HIDDEN}"
    return without_secrets(_PASSWORD_IN_ARGUMENT.sub("://", argument))


def config_without_secrets(node: Any) -> Any:
    """Return plain containers without secrets: of a key such as ``api_key``, and in every text.

    Interpolations such as ``${oc.env:TOKEN}`` name no secret and stay.
    """
    if isinstance(node, Mapping):
        return {
            _shown_key(key): _hidden(value)
            if _is_hidden(key, value)
            else config_without_secrets(value)
            for key, value in node.items()
        }
    if isinstance(node, Sequence) and not isinstance(node, str | bytes):
        return [config_without_secrets(item) for item in node]
    return argument_without_secrets(node) if type(node) is str else node


def _shown_key(key: Any) -> Any:
    return without_secrets(key) if type(key) is str else key


def note_secrets(node: Any) -> None:
    """Note the secrets of a config, so that they are found in whatever a library says later.

    Args:
        node: Plain containers.
    """
    if isinstance(node, Mapping):
        for key, value in node.items():
            if _is_hidden(key, value):
                _note_value(value)
            note_secrets(value)
    elif isinstance(node, Sequence) and not isinstance(node, str | bytes):
        for item in node:
            note_secrets(item)
    elif isinstance(node, str):
        key, mark, value = node.partition("=")
        if mark and "://" not in key and is_secret_name(key):
            _note(value)
        for pattern in (_ADDRESS_PASSWORD, _QUERY_VALUE):
            for secret in pattern.findall(node):
                _note(secret)


def _is_hidden(key: Any, value: Any) -> bool:
    """Return whether a value of this key is a secret: a text, a number, or a list of these."""
    if isinstance(value, list | tuple):
        return any(_is_hidden(key, item) for item in value)
    if value is None or isinstance(value, bool | Mapping) or value in ("", "???"):
        return False
    return "${" not in str(value) and is_secret_name(str(key))


def _hidden(value: Any) -> Any:
    return [_hidden(item) for item in value] if isinstance(value, list | tuple) else HIDDEN


def _note_value(value: Any) -> None:
    for secret in value if isinstance(value, list | tuple) else [value]:
        _note(str(secret))


def _note(secret: str) -> None:
    if _is_looked_for(secret) and "${" not in secret:
        _found.add(secret)


def _is_looked_for(secret: str) -> bool:
    return len(secret) >= _LEAST and not _WORD.fullmatch(secret)


def _of_environment() -> set[str]:
    named = (value for name, value in os.environ.items() if is_secret_name(name))
    return {value for value in named if _is_looked_for(value)}
