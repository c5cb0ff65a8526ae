"""A PostgreSQL cluster in a folder: made, started, stopped, saved and restored."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

DATABASES = ("mlflow", "mlflow_auth", "optuna")
OWNER = "finai"
"""The role that owns the databases; MLflow and the searches log in with it."""


def programs(folder: str | None) -> Path:
    """Return the folder of PostgreSQL's programs: the one given, that of PATH, or the newest.

    Args:
        folder: Of ``initdb`` and ``pg_ctl``; None to look for it.

    Raises:
        SystemExit: There are none.
    """
    on_path = shutil.which("initdb")
    installed = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    newest = sorted(installed, key=lambda file: float(file.parents[1].name))
    places = [folder and f"{folder}/initdb", on_path, *reversed(newest)]
    found = next((Path(place) for place in places if place and Path(place).is_file()), None)
    if found is None:
        sys.exit(
            "PostgreSQL's programs (initdb, pg_ctl) are not found. Install them (Debian: apt "
            "install postgresql), or name their folder: --postgres /usr/lib/postgresql/17/bin"
        )
    return found.resolve().parent


@dataclass(frozen=True)
class Cluster:
    """A PostgreSQL cluster.

    Attributes:
        folder: Of its data.
        programs: Of ``initdb``, ``pg_ctl``, ``pg_dump``, ``pg_restore``, ``psql``.
        host: Address that it listens on.
        port: And the port.
        password: Of the role ``finai``.
        account: Of the operating system that it runs as, needed where the caller is root; None for
            the caller's own.
    """

    folder: Path
    programs: Path
    host: str
    port: int
    password: str
    account: str | None = None

    def url(self, database: str, host: str = "127.0.0.1") -> str:
        """Return SQLAlchemy's address of a database, without its password (``PGPASSWORD``)."""
        return f"postgresql+psycopg://{OWNER}@{host}:{self.port}/{database}"

    def make(self) -> None:
        """Make the cluster and its databases.

        Raises:
            SystemExit: PostgreSQL refuses, for instance because it would run as root.
        """
        if os.geteuid() == 0 and self.account is None:
            sys.exit("PostgreSQL does not run as root. Name an account for it: --as postgres")
        self.folder.mkdir(parents=True)
        secret = self.folder.with_name("postgres.initial")
        secret.touch(mode=0o600)
        secret.write_text(self.password)
        if self.account is not None:
            for place in (self.folder, secret):
                shutil.chown(place, self.account)
        encoded = ("--encoding=UTF8", "--locale=C")
        try:
            self._server(
                "initdb", "-D", str(self.folder), "-U", OWNER, "-A", "scram-sha-256",
                f"--pwfile={secret}", *encoded,
            )  # fmt: skip
        finally:
            secret.unlink()
        if self.host not in ("127.0.0.1", "localhost"):
            with (self.folder / "pg_hba.conf").open("a") as rules:
                rules.write("host all all all scram-sha-256\n")
        self.start()
        for database in DATABASES:
            self._client("createdb", database)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        sockets = str(self.folder)
        options = (
            f"-c listen_addresses={self.host} -c port={self.port} -c max_connections=300 "
            f"-c unix_socket_directories='{sockets}'"
        )
        log = str(self.folder / "server.log")
        self._server("pg_ctl", "-D", str(self.folder), "-w", "-l", log, "-o", options, "start")

    def stop(self) -> None:
        """Stop it; connections are closed, what they have written is kept."""
        self._server("pg_ctl", "-D", str(self.folder), "-w", "-m", "fast", "stop")

    def dump(self, target: Path) -> None:
        """Write each database to a file of its own, as it is at one moment.

        Args:
            target: Folder of the files.
        """
        for database in DATABASES:
            file = str(target / f"{database}.dump")
            self._client("pg_dump", "--format=custom", f"--file={file}", database)

    def restore(self, source: Path) -> None:
        """Fill the empty databases from what ``dump`` wrote.

        Args:
            source: Folder of the files.
        """
        for database in DATABASES:
            file = str(source / f"{database}.dump")
            self._client("pg_restore", "--exit-on-error", "-d", database, file)

    def _client(self, program: str, *arguments: str) -> None:
        login = ("-h", "127.0.0.1", "-p", str(self.port), "-U", OWNER)
        self._run([str(self.programs / program), *login, *arguments], None)

    def _server(self, program: str, *arguments: str) -> None:
        self._run([str(self.programs / program), *arguments], self.account)

    def _run(self, command: list[str], account: str | None) -> None:
        # The server inherits what it is started with, and would hold a pipe open for its life.
        log = self.folder.with_name("postgres.log")
        with log.open("a+b") as output:
            begin = output.seek(0, os.SEEK_END)
            done = subprocess.run(
                command,
                user=account,
                cwd="/",
                env={**os.environ, "PGPASSWORD": self.password, "LC_ALL": "C"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
            )
            output.seek(begin)
            said = output.read().decode(errors="replace").strip()
        if done.returncode:
            sys.exit(f"{Path(command[0]).name} failed:\n{said}")
