"""Splits kept on disk under what they depend on: parsed once, then mapped into memory.

What is kept are the blocks that agents learn on and are judged by, in files of their own, and of
the sealed test block where it lies. No file holds a row of it, so that no process that trains can
map one.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import importlib.util
import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from finai_rl.data.cache.code import code_hash
from finai_rl.data.cache.disk_cache import DiskCache
from finai_rl.data.cache.panel_store import open_panel, save_panel
from finai_rl.data.market import FileVersion, MarketData
from finai_rl.data.split import SealedBlock, Split
from finai_rl.data.versions.prepared_file import manifest_content
from finai_rl.data.versions.revisions import fetch_revision
from finai_rl.data.versions.versioning import content_hash, file_version

log = logging.getLogger(__name__)

CACHE_FOLDER = Path("cache", "data")
"""Where splits are kept, below ``output_root``."""

KEPT = 16
"""How many splits are kept: those used last."""

CODE = ("data", "errors.py", "type_aliases.py")
"""Rooms and files whose change may change a split."""

_BLOCKS = "split.json"


class SplitCache:
    """A `DiskCache` of splits, under everything that a split depends on.

    That is the content of the source's file, at ``data.rev`` where that is given, what DVC calls
    it, the manifest of `finai_rl.prepare` beside it, every other file that a setting of the source
    names, the settings of source and split, the code of this package that reads data and of the
    source's own module, and the versions of NumPy, pandas and PyArrow. Files are hashed every
    time: a file of the same size and time of change may be another.

    Args:
        folder: Where the splits are; made when the first is written.
        kept: How many stay: those used last.

    Example:
        >>> from tempfile import NamedTemporaryFile, TemporaryDirectory
        >>> from finai_rl.data import synthetic_market
        >>> from finai_rl.data.split import split_by_fraction
        >>> split = split_by_fraction(synthetic_market(n_days=20, n_stocks=2))
        >>> with NamedTemporaryFile(suffix=".csv") as file, TemporaryDirectory() as folder:
        ...     settings = {"data": {"_target_": "my_source.load", "path": file.name}}
        ...     cache = SplitCache(Path(folder))
        ...     parsed, opened = (cache.get(settings, lambda: split) for _ in range(2))
        >>> parsed is split, opened is split, opened.train
        (True, False, MarketData(synthetic-noise: 2 stocks, 14 days, 2010-01-04 to 2010-01-21))
    """

    def __init__(self, folder: Path, kept: int = KEPT) -> None:
        self._folder = folder
        self._cache = DiskCache(folder, _save, _open, kept)

    def get(self, settings: Mapping[str, Any], load: Callable[[], Split]) -> Split:
        """Return the split of these settings, bit by bit the one that `load` returns.

        Where it is not needed, what a reader of any result has to know of the data is logged.

        Args:
            settings: ``data`` and ``split``, each with its ``_target_``; ``data.path`` is a file.
            load: Parses and cuts.

        Raises:
            InputError: Whatever `load` raises; nothing is kept then.
        """
        known = _key(settings)
        if known is None:
            return load()
        key, version = known
        file, entry = settings["data"]["path"], self._cache.entry(key)
        if (split := self._cache.find(key)) is not None:
            log.info("%s: unchanged, opened from %s without parsing", file, entry)
            split = _at_version(split, version)
            _log_caveats(split, settings["data"])
            return split
        split = load()
        if (_key(settings) or ({},))[0] != key:
            log.warning("%s: not kept in %s: it has changed while it was read", file, self._folder)
        elif self._cache.keep(key, split):
            log.info("%s: parsed; kept in %s for later runs", file, entry)
        return split

    def under(self, key: Mapping[str, Any], load: Callable[[], Split]) -> Split:
        """Return the split that is kept under a key, or the one that `load` returns.

        Args:
            key: All that the split depends on, as JSON can say it.
            load: Makes it; whatever it raises is raised.
        """
        return self._cache.get(key, load)


def _save(folder: Path, split: Split) -> None:
    names = {}
    for use, blocks in _blocks(split).items():
        names[use] = [f"{use}_{n}" if n else use for n in range(len(blocks))]
        for name, block in zip(names[use], blocks, strict=True):
            save_panel(folder / name, block)
    sealed = dataclasses.asdict(split.test) if split.test is not None else None
    facts = json.dumps({"blocks": names, "sealed": sealed, "last_day": split.last_day})
    (folder / _BLOCKS).write_text(facts, encoding="utf-8")


def _open(folder: Path) -> Split:
    facts = json.loads((folder / _BLOCKS).read_text(encoding="utf-8"))
    sealed = SealedBlock(**facts["sealed"]) if facts["sealed"] is not None else None
    blocks = {
        use: [open_panel(folder / name) for name in names] for use, names in facts["blocks"].items()
    }
    return _split(blocks, sealed, facts["last_day"])


def _log_caveats(split: Split, data: Mapping[str, Any]) -> None:
    source = split.train.source
    for caveat in source.caveats:
        log.warning("%s: %s", data["path"], caveat)
    # A fact of the checkout, not of the data: a later commit may have the same content.
    if source.version is not None and source.version.dirty and data.get("rev") is None:
        log.warning(
            "%s: no commit has this content; `dvc add` or commit it to keep it", data["path"]
        )


def _at_version(split: Split, version: FileVersion) -> Split:
    """Name the commit that the file is at now: the same bytes may be at a later one."""

    def renewed(panel: MarketData) -> MarketData:
        if panel.source.version is None:
            return panel
        return panel.with_source(dataclasses.replace(panel.source, version=version))

    renewed_blocks = {use: list(map(renewed, blocks)) for use, blocks in _blocks(split).items()}
    return _split(renewed_blocks, split.test, split.last_day)


def _blocks(split: Split) -> dict[str, Sequence[MarketData]]:
    traded = () if split.trade is None else (split.trade,)
    return {"train": split.train_blocks, "validation": split.validation_blocks, "trade": traded}


def _split(
    blocks: Mapping[str, Sequence[MarketData]], sealed: SealedBlock | None, last_day: str
) -> Split:
    (train, *further_train), (validation, *further) = blocks["train"], blocks["validation"]
    traded = next(iter(blocks["trade"]), None)
    return Split(train, validation, sealed, tuple(further_train), tuple(further), traded, last_day)


def _key(settings: Mapping[str, Any]) -> tuple[dict[str, Any], FileVersion] | None:
    """Return everything a split depends on, and the version of its file.

    Returns:
        None where the source is not a file.

    Raises:
        DataError: If there is no such revision.
    """
    data = settings["data"]
    try:
        found = _version_of(data)
        if found is None:
            return None
        others = set(_files(data)) - {data["path"]}
        facts = dataclasses.asdict(found)
        key = {
            "settings": settings,
            "source": {name: facts[name] for name in ("sha256", "md5", "dirty", "tracked_by")},
            "manifest": _manifest(data, found),
            "files": {text: content_hash(Path(text).expanduser()) for text in others},
            "code": _code(settings),
            "versions": _versions(),
        }
        return key, found
    except OSError:
        return None


def _versions() -> dict[str, str]:
    """Return the versions of what computes a panel, or says something of it."""
    found = {}
    for name in ("numpy", "pandas", "pyarrow", "exchange_calendars"):
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def _version_of(data: Mapping[str, Any]) -> FileVersion | None:
    path, rev, cache = data.get("path"), data.get("rev"), data.get("rev_cache")
    if not path:
        return None
    file = Path(path).expanduser()
    if rev is not None and cache is not None:
        return fetch_revision(file, rev, Path(cache).expanduser())[1]
    return file_version(file) if file.is_file() else None


def _manifest(data: Mapping[str, Any], version: FileVersion) -> str | None:
    """Return the hash of the manifest, whose caveats are those of the split."""
    file, at_revision = Path(data["path"]).expanduser(), data.get("rev") is not None
    content = manifest_content(file, version, at_revision=at_revision)
    return hashlib.sha256(content).hexdigest() if content is not None else None


def _files(node: Any) -> Iterator[str]:
    if isinstance(node, Mapping | list | tuple):
        for item in node.values() if isinstance(node, Mapping) else node:
            yield from _files(item)
    elif isinstance(node, str):
        with contextlib.suppress(OSError, RuntimeError):
            if Path(node).expanduser().is_file():
                yield node


def _code(settings: Mapping[str, Any]) -> str:
    hashes = [code_hash(CODE)]
    for node in settings.values():
        for file in _python_files(str(node["_target_"]).rpartition(".")[0]):
            hashes += [file.name, content_hash(file)]
    return hashlib.sha256("".join(hashes).encode()).hexdigest()


def _python_files(module: str) -> list[Path]:
    """Return the files of a user's own package, or a module's with those beside it."""
    package = module.partition(".")[0]
    if package == "finai_rl":
        return []
    with contextlib.suppress(ImportError, ValueError):
        spec = importlib.util.find_spec(package)
        if spec is not None and spec.submodule_search_locations:
            folders = sorted(map(Path, spec.submodule_search_locations))
            found = [file for folder in folders for file in sorted(folder.rglob("*.py"))]
        elif spec is not None and spec.has_location:
            found = sorted(Path(str(spec.origin)).parent.glob("*.py"))
        else:
            return []
        # An editor's lock is a link to nowhere, of a name like a module's.
        return [file for file in found if file.is_file()]
    return []
