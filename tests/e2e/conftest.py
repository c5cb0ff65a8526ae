"""What tables of wrong input share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.warm import WarmProcess, warm_process


@pytest.fixture(scope="session")
def warm() -> Iterator[WarmProcess]:
    """A process that has imported everything."""
    with warm_process() as process:
        yield process
