"""A team's server on one machine: MLflow with passwords, and a database for searches."""

from __future__ import annotations

import argparse
import json
import os
import secrets
import signal
import subprocess
import sys
import tarfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from team_postgres import Cluster, programs

ADMIN = "admin"
PATIENCE = 300
"""Seconds until MLflow has to answer; it makes two databases' tables at its first start."""


@dataclass(frozen=True)
class Settings:
    """What ``start`` was told, kept in the folder for the other commands.

    Attributes:
        host: Address that MLflow and PostgreSQL listen on.
        port: Of MLflow.
        database_port: Of PostgreSQL.
        workers: Processes that answer MLflow's requests.
        allowed_hosts: Names by which browsers and clients reach MLflow, with commas between them;
            None for MLflow's own (this machine and private addresses).
        account: Of the operating system that PostgreSQL runs as; None for the caller's own.
        postgres: Folder of PostgreSQL's programs.
    """

    host: str
    port: int
    database_port: int
    workers: int
    allowed_hosts: str | None
    account: str | None
    postgres: str


class TeamServer:
    """The folder of a team's server: databases, artifacts, passwords, logs.

    Args:
        folder: Of all of it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self._settings = self.folder / "settings.json"
        self._passwords = self.folder / "passwords.json"
        self._process = self.folder / "mlflow.pid"
        self.artifacts = self.folder / "artifacts"

    @property
    def settings(self) -> Settings:
        """What ``start`` was told.

        Raises:
            SystemExit: Nothing was started in this folder.
        """
        if not self._settings.is_file():
            sys.exit(f"{self.folder} holds no team server; begin with: scripts/team-server start")
        return Settings(**json.loads(self._settings.read_text()))

    @property
    def cluster(self) -> Cluster:
        """Its PostgreSQL."""
        told = self.settings
        return Cluster(
            self.folder / "postgres",
            Path(told.postgres),
            told.host,
            told.database_port,
            self._secrets()["database"],
            told.account,
        )

    def make(self, settings: Settings) -> None:
        """Make folder, passwords and databases, where they are not there, and start PostgreSQL.

        Args:
            settings: Of the server; those of an earlier start are replaced.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self.artifacts.mkdir(exist_ok=True)
        self._settings.write_text(json.dumps(asdict(settings), indent=1))
        if not self._passwords.is_file():
            made = {name: secrets.token_urlsafe(24) for name in ("database", ADMIN, "sessions")}
            self._passwords.touch(mode=0o600)
            self._passwords.write_text(json.dumps(made, indent=1))
        if self.cluster.folder.is_dir():
            self.cluster.start()
        else:
            self.cluster.make()

    def start_mlflow(self) -> None:
        """Start MLflow in the background, and wait until it answers.

        Raises:
            SystemExit: It did not; the end of its log says why.
        """
        told, database = self.settings, self.cluster
        config = self.folder / "mlflow_auth.ini"
        config.write_text(
            "[mlflow]\ndefault_permission = READ\n"
            f"database_uri = {database.url('mlflow_auth')}\nadmin_username = {ADMIN}\n"
            "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
            "auth_cache_ttl_seconds = 60\n"
        )
        command = [
            *(sys.executable, "-m", "mlflow", "server", "--app-name", "basic-auth"),
            *("--backend-store-uri", database.url("mlflow")),
            *("--artifacts-destination", self.artifacts.as_uri()),
            *("--host", told.host, "--port", str(told.port), "--workers", str(told.workers)),
            # Uvicorn kills a worker that does not answer within 5 s, which a slow import takes.
            *("--uvicorn-opts", "--timeout-worker-healthcheck 60"),
            *(("--allowed-hosts", told.allowed_hosts) if told.allowed_hosts else ()),
        ]
        found = self._secrets()
        environment = {
            **os.environ,
            "PGPASSWORD": found["database"],
            "MLFLOW_AUTH_CONFIG_PATH": str(config),
            "MLFLOW_AUTH_ADMIN_PASSWORD": found[ADMIN],
            "MLFLOW_FLASK_SERVER_SECRET_KEY": found["sessions"],
        }
        log = self.folder / "mlflow.log"
        with log.open("ab") as output:
            server = subprocess.Popen(
                command,
                cwd=self.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._process.write_text(str(server.pid))
        self._wait(server, log)

    def _wait(self, server: subprocess.Popen[bytes], log: Path) -> None:
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until and server.poll() is None:
            try:
                with urlopen(f"http://127.0.0.1:{self.settings.port}/health", timeout=5):
                    return
            except (URLError, OSError):
                time.sleep(0.5)
        end = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        sys.exit(f"MLflow does not answer; its log {log} ends with:\n{end}")

    def stop(self) -> None:
        """Stop MLflow, then PostgreSQL."""
        if self._process.is_file():
            self._end(int(self._process.read_text()))
            self._process.unlink()
        self.cluster.stop()

    @staticmethod
    def _end(group: int) -> None:
        """End a group of processes, and wait until none is left."""
        try:
            os.killpg(group, signal.SIGTERM)
            for _ in range(300):
                os.killpg(group, 0)
                time.sleep(0.1)
            os.killpg(group, signal.SIGKILL)
        except ProcessLookupError:
            return

    def add_user(self, name: str) -> str:
        """Make a user of MLflow.

        Args:
            name: Of the user.

        Returns:
            The lines that the user puts into a shell before a command.
        """
        from mlflow.exceptions import MlflowException
        from mlflow.server import get_app_client

        password = secrets.token_urlsafe(15)
        os.environ["MLFLOW_TRACKING_USERNAME"] = ADMIN
        os.environ["MLFLOW_TRACKING_PASSWORD"] = self._secrets()[ADMIN]
        address = f"http://127.0.0.1:{self.settings.port}"
        try:
            get_app_client("basic-auth", tracking_uri=address).create_user(name, password)
        except MlflowException as error:
            # What follows in MLflow's message is its SQL, with the password's hash.
            reason = error.message.partition(" Error: ")[0]
            sys.exit(f"MLflow did not make the user {name!r}: {reason}")
        return self.exports(name, password)

    def exports(self, user: str, password: str) -> str:
        """Return what each worker needs in its environment."""
        told = self.settings
        own = told.host in ("127.0.0.1", "localhost", "0.0.0.0")
        host = "127.0.0.1" if own else told.host
        lines = {
            "MLFLOW_TRACKING_URI": f"http://{host}:{told.port}",
            "MLFLOW_TRACKING_USERNAME": user,
            "MLFLOW_TRACKING_PASSWORD": password,
            "FINAI_RL_STORAGE": self.cluster.url("optuna", host),
            "PGPASSWORD": self._secrets()["database"],
        }
        return "\n".join(f"export {name}={value}" for name, value in lines.items())

    def backup(self, target: Path) -> None:
        """Write databases, artifacts and passwords into a new folder; the server may run.

        Artifacts come after the databases: no run of the backup lacks a file it had then.
        """
        target.mkdir(mode=0o700)
        self.cluster.dump(target)
        with tarfile.open(target / "artifacts.tar", "w") as archive:
            archive.add(self.artifacts, arcname="artifacts")
        (target / "passwords.json").touch(mode=0o600)
        (target / "passwords.json").write_text(self._passwords.read_text())

    def restore(self, source: Path, settings: Settings) -> None:
        """Make the server anew from a backup; its folder must be empty or not there."""
        if self.folder.exists() and any(self.folder.iterdir()):
            sys.exit(f"{self.folder} is not empty: a backup is restored into a new folder")
        if not (source / "passwords.json").is_file():
            sys.exit(f"{source} is no backup of a team server: it has no passwords.json")
        self.folder.mkdir(parents=True, exist_ok=True)
        self._passwords.touch(mode=0o600)
        self._passwords.write_text((source / "passwords.json").read_text())
        with tarfile.open(source / "artifacts.tar") as archive:
            archive.extractall(self.folder, filter="data")
        self.make(settings)
        self.cluster.restore(source)

    def _secrets(self) -> dict[str, str]:
        found: dict[str, str] = json.loads(self._passwords.read_text())
        return found


def parser() -> argparse.ArgumentParser:
    """Return the commands and their arguments."""
    made = argparse.ArgumentParser(description=__doc__, prog="scripts/team-server")
    commands = made.add_subparsers(dest="command", required=True)
    for name in ("start", "restore"):
        command = commands.add_parser(name)
        command.add_argument("folder", type=Path)
        if name == "restore":
            command.add_argument("source", type=Path)
        command.add_argument("--host", default="127.0.0.1", help="0.0.0.0: every network")
        command.add_argument("--port", type=int, default=5000, help="of MLflow")
        command.add_argument("--database-port", type=int, default=5432)
        command.add_argument("--workers", type=int, default=4, help="of MLflow")
        command.add_argument("--allowed-hosts", help="names of this machine, for browsers")
        command.add_argument("--as", dest="account", help="account that PostgreSQL runs as")
        command.add_argument("--postgres", help="folder of initdb and pg_ctl")
    for name, argument in (("stop", None), ("add-user", "name"), ("backup", "target")):
        command = commands.add_parser(name)
        command.add_argument("folder", type=Path)
        if argument is not None:
            command.add_argument(argument, type=Path if argument == "target" else str)
    return made


def settings_of(told: argparse.Namespace) -> Settings:
    """Return what the command line says of a server."""
    names = ("host", "port", "database_port", "workers", "allowed_hosts", "account")
    return Settings(
        **{name: getattr(told, name) for name in names}, postgres=str(programs(told.postgres))
    )


def main() -> None:
    """Run one of the commands."""
    told = parser().parse_args()
    server = TeamServer(told.folder)
    if told.command in ("start", "restore"):
        settings = settings_of(told)
        if told.command == "restore":
            server.restore(told.source, settings)
        else:
            server.make(settings)
        server.start_mlflow()
        print(f"MLflow: http://{settings.host}:{settings.port}, user {ADMIN}, password in")
        print(f"{server.folder / 'passwords.json'}. Next: scripts/team-server add-user FOLDER NAME")
    elif told.command == "stop":
        server.stop()
    elif told.command == "add-user":
        print(server.add_user(told.name))
    else:
        server.backup(told.target)


if __name__ == "__main__":
    main()
