"""Compilation of the trading arithmetic, cached on disk until any of it changes.

numba caches each function by its own file, and would not notice that a function compiled into it,
from another file, has changed. The cache is therefore kept in a folder named after the source of
all compiled modules together.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

from finai_rl.data.cache.user_folder import own_folder_in, user_cache

Function = TypeVar("Function", bound=Callable[..., object])

COMPILED_MODULES = (
    "accounting",
    "execution",
    "delisting",
    "observing",
    "stepping",
    "normalizing",
    "cash_accounts",
    "finrl_accounting",
)
"""Modules of this package whose functions are compiled, into one another."""


def _cache_folder() -> str:
    here = Path(__file__).parent
    sources = [Path(__file__), *(here / f"{name}.py" for name in COMPILED_MODULES)]
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:16]
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    base = Path(chosen) if chosen else here / "__pycache__"
    if not _is_writable(base):
        base = user_cache()
    if not _is_writable(base):
        # What is kept is run as code: nobody else may have put it there.
        base = own_folder_in(Path(tempfile.gettempdir()))
    return str(base / f"compiled-{digest}")


def _is_writable(folder: Path) -> bool:
    there = next(place for place in (folder, *folder.absolute().parents) if place.is_dir())
    return os.access(there, os.W_OK)


_FOLDER = _cache_folder()


def compiled(function: Function) -> Function:
    """Compile a function without the interpreter lock, and cache it on disk."""
    return _compiled(function, inline=False)


def inlined(function: Function) -> Function:
    """Compile a function into its callers, so that loops over its arrays can be vectorized."""
    return _compiled(function, inline=True)


def resolved(function: Function, *arguments: object) -> Function:
    """Return a compiled function's code for arguments of these types.

    A call of it does not look at types, which for a score of arrays takes longer than to step some
    accounts. Whoever calls it sees to it that they stay what they are.
    """
    dispatcher: Any = function
    type_of: Any = numba.typeof
    return cast(Function, dispatcher.compile(tuple(type_of(value) for value in arguments)))


def _compiled(function: Function, inline: bool) -> Function:
    # numba reads its cache folder where a function is declared.
    config: Any = numba.config
    others = config.CACHE_DIR
    config.CACHE_DIR = _FOLDER
    try:
        made: Any = numba.njit(cache=True, nogil=True, forceinline=inline)(function)
    finally:
        config.CACHE_DIR = others
    return cast(Function, made)
