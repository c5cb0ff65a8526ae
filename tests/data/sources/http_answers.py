"""A stand for the network below ``requests``: what is asked reaches a function, and nothing else.

The clients' own code runs: addresses, headers, pages, retries, response types.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests

Answer = Callable[[str, dict[str, str]], Any]
"""From path and query to JSON, or to a status with a JSON or text."""


@dataclass
class Network:
    """Answers in the place of the network, and keeps what was asked.

    Example:
        >>> Network(lambda path, query: {}).asked
        []
    """

    answer: Answer
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    def send(self, _: Any, request: requests.PreparedRequest, **__: Any) -> requests.Response:
        url = urlsplit(str(request.url))
        query = dict(parse_qsl(url.query))
        self.asked.append((url.path, query))
        self.headers.append(dict(request.headers))
        found = self.answer(url.path, query)
        status, content = found if isinstance(found, tuple) else (200, found)
        response = requests.Response()
        response.url, response.request, response.status_code = str(request.url), request, status
        response._content = (content if isinstance(content, str) else json.dumps(content)).encode()
        response.reason = HTTPStatus(status).phrase if status in set(HTTPStatus) else "Unknown"
        response.encoding = "utf-8"
        return response

    def installed(self, patch: pytest.MonkeyPatch) -> Network:
        """Put it below every session of requests."""
        send = self.send
        patch.setattr(requests.adapters.HTTPAdapter, "send", lambda *a, **k: send(*a, **k))
        return self
