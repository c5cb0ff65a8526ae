"""Downloads that are kept on disk, so that a second run needs no network and sees the same."""

from __future__ import annotations

import datetime as dt
import fcntl
import json
import logging
from pathlib import Path

import numpy as np
import pandas as pd

from finai_rl.data.sources.downloads.request import Request, Service
from finai_rl.data.versions.versioning import content_hash
from finai_rl.errors import DataError, InputError

log = logging.getLogger(__name__)

HOLIDAYS = np.timedelta64(10, "D")
"""A market may be closed for that long; more at the beginning or the end is a part that lacks."""


def downloaded(service: Service, request: Request, folder: Path) -> Path:
    """Return the file with a request's answer, downloading it if it is not there.

    Raises:
        DataError: If it cannot be had or has a part of the dates only, or the file is not what
            was downloaded.
        InputError: If something is needed that is not installed or not set.
    """
    file = folder / f"{request.key}.csv"
    if not _is_kept(file):
        _download(service, request, file)
    return file


def _is_kept(file: Path) -> bool:
    about = file.with_suffix(".json")
    if not (file.is_file() and about.is_file()):
        return False
    helps = f"delete it and {about.name} to get it again"
    try:
        written = json.loads(about.read_text(encoding="utf-8"))
        sha256, when = written["sha256"], written["downloaded"]
    except (ValueError, KeyError, TypeError) as error:
        said = f"what is said of it in {about.name} cannot be read ({error}); {helps}"
        raise DataError(str(file), [said]) from None
    if sha256 != content_hash(file):
        raise DataError(str(file), [f"it changed since it was downloaded; {helps}"])
    log.info("%s: downloaded on %s, no network is needed", file, when)
    return True


def _download(service: Service, request: Request, file: Path) -> None:
    today = dt.datetime.now(dt.UTC).date().isoformat()
    if request.end >= today:
        raise InputError(
            f"data.end={request.end} is not over: name a day before {today}, so that the last "
            "price is final and a second run sees the same"
        )
    rows = service.download(request)
    _refuse_part(service, request, rows)
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.with_name(f".{file.stem}.lock").open("ab") as handle:
        # Of two processes that have asked for the same, the second keeps what the first has.
        fcntl.flock(handle, fcntl.LOCK_EX)
        if not _is_kept(file):
            _write(rows, request, file, today)
            log.info("%s: %d rows downloaded from %s", file, len(rows), service.title)


def _write(rows: pd.DataFrame, request: Request, file: Path, today: str) -> None:
    about, partial = file.with_suffix(".json"), file.with_name(f".{file.name}.partial")
    rows.to_csv(partial, index=False, lineterminator="\n")
    content = {"request": request.content, "downloaded": today, "sha256": content_hash(partial)}
    said = about.with_name(f".{about.name}.partial")
    said.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    # The file comes last: without it nothing is there yet.
    said.replace(about)
    partial.replace(file)


def _refuse_part(service: Service, request: Request, rows: pd.DataFrame) -> None:
    days = np.unique(rows["date"].str.slice(0, 10).to_numpy(dtype="datetime64[D]"))
    spacing = np.median(np.diff(days)) if len(days) > 1 else np.timedelta64(0, "D")
    allowed = max(HOLIDAYS, 2 * spacing)
    problems = []
    if days[0] - np.datetime64(request.start) > allowed:
        problems.append(
            f"has no prices of {', '.join(request.tickers)} before {days[0]}, and "
            f"data.start={request.start} was asked: set data.start={days[0]}"
        )
    if np.datetime64(request.end) - days[-1] > allowed:
        problems.append(
            f"has no prices of {', '.join(request.tickers)} after {days[-1]}, and "
            f"data.end={request.end} was asked: set data.end={days[-1]}"
        )
    if problems:
        raise DataError(service.name, [f"{service.title} {problem}" for problem in problems])
