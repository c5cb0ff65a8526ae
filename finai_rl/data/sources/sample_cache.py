"""Splits of the offline sample, whose features take a second to compute, kept for the user."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_info

from finai_rl.data.cache.code import code_hash
from finai_rl.data.cache.split_cache import CODE, SplitCache
from finai_rl.data.cache.user_folder import user_cache
from finai_rl.data.sources.sp500 import NO_NEWS, log, shipped_files
from finai_rl.data.split import Split
from finai_rl.data.versions.versioning import content_hash

_LIBRARIES = ("numpy", "pandas", "scipy", "stockstats", "skfolio")


def sample_split(
    settings: Mapping[str, Any], load: Callable[[], Split], folder: Path | None = None
) -> Split:
    """Return a split of the sample, bit by bit the one that `load` returns.

    It depends on the sample's files, the settings, the code that reads data, the libraries, and
    the arithmetic of the processor's kind; no entry holds a row of the sealed block.

    Args:
        settings: ``data`` and ``split``, each with its ``_target_``.
        load: Computes and cuts.
        folder: Where splits are kept; by default the user's.
    """
    files = shipped_files()
    if not files:
        return load()
    key = {
        "settings": settings,
        "files": [content_hash(file) for file in files],
        "code": code_hash(CODE),
        "versions": {name: version(name) for name in _LIBRARIES},
        "arithmetic": _arithmetic(),
    }
    cache = SplitCache(user_cache() / "sample" if folder is None else folder)
    computed = False

    def compute() -> Split:
        nonlocal computed
        computed = True
        return load()

    split = cache.under(key, compute)
    if not computed and split.train.source.simulated:
        log.info(NO_NEWS)
    return split


def _arithmetic() -> list[str]:
    """Name what linear algebra is computed with: the last bits are those of its kernels."""
    libraries = (library for library in threadpool_info() if library.get("user_api") == "blas")
    return sorted({platform.machine(), *(str(one.get("architecture")) for one in libraries)})
