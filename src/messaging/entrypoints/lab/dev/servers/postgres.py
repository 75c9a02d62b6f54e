"""Runs a real, durable PostgreSQL as a child process without its being installed."""

import hashlib
import os
import secrets
import shutil
import signal
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from urllib.parse import quote

import asyncpg

from messaging.entrypoints.lab.dev.processes.accounts import Account, account_for_servers, can_reach
from messaging.entrypoints.lab.dev.processes.children import ChildFailed, ChildProcess
from messaging.entrypoints.lab.dev.processes.loopback import HOST, free_port
from messaging.entrypoints.lab.dev.processes.scratch import ScratchDirectory, temporary_root
from messaging.entrypoints.lab.dev.servers.postgres_binaries import binaries_for

SUPERUSER: Final = "postgres"
_SOCKET_ONLY_PORT: Final = 5432  # part of the socket file's name; nothing listens on TCP
_ENVIRONMENT: Final = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
# Durability is not traded for speed: fsync, full-page writes and synchronous commit stay on.
_SETTINGS: Final = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": "256MB",
    "max_connections": "200",
    "wal_buffers": "16MB",
    "max_wal_size": "2GB",
    "min_wal_size": "256MB",
    "checkpoint_timeout": "15min",
    "random_page_cost": "1.1",
    "jit": "off",
    "autovacuum_naptime": "15s",
    "autovacuum_vacuum_cost_limit": "2000",
    # A list may lock a year of partitions with their indexes.
    "max_locks_per_transaction": "256",
    "password_encryption": "scram-sha-256",
    "unix_socket_permissions": "0700",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
}


class Shutdown(Enum):
    """How a server stops: FAST rolls back and writes a checkpoint; IMMEDIATE leaves recovery to the next start."""

    FAST = signal.SIGINT
    IMMEDIATE = signal.SIGQUIT


class EmbeddedPostgres:
    """A private PostgreSQL 18: Unix socket always, loopback TCP if `port` is given (0 picks a free one).

    With a `state_dir` the cluster lives in `state_dir/postgres` and is found again; without, it is thrown away.
    Run by root, the server runs as an unprivileged account; if that account cannot reach `state_dir`, the cluster
    lives under the system's temporary directory instead (`home` says where). If we are killed, the kernel has
    the server stop immediately; the next start recovers. Addresses stay the same over stop and start.
    """

    def __init__(
        self, state_dir: Path | None = None, *, port: int | None = None, settings: Mapping[str, str] | None = None
    ) -> None:
        self._account = account_for_servers()
        self._binaries = binaries_for(self._account)
        self._scratch = ScratchDirectory("pg")
        self._sockets = self._scratch.path / "s"
        self.home = self._scratch.path if state_dir is None else _home(state_dir.resolve(), self._account)
        self.port = None if port is None else port or free_port()
        self._password = ""
        self._child = ChildProcess(
            "postgres",
            (str(self._binaries / "postgres"), "-D", str(self.home / "data"), *self._options(settings or {})),
            log=self.home / "postgres.log",
            env=_ENVIRONMENT,
            cwd=Path("/"),
            account=self._account,
            stop_signal=Shutdown.FAST.value,
            death_signal=Shutdown.IMMEDIATE.value,
        )

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def binaries(self) -> Path:
        """The directory of the server's programs, `psql` among them."""
        return self._binaries

    def url(self, database: str = SUPERUSER, *, user: str = SUPERUSER, password: str | None = None) -> str:
        """A `postgresql://` URL over the Unix socket; by default as the superuser. It holds the password."""
        secret = quote(self._password if password is None else password, safe="")
        port = self.port or _SOCKET_ONLY_PORT
        return f"postgresql://{quote(user, safe='')}:{secret}@/{database}?host={self._sockets}&port={port}"

    def tcp_url(self, database: str = SUPERUSER, *, user: str = SUPERUSER, password: str | None = None) -> str:
        """As `url`, over loopback TCP."""
        if self.port is None:
            raise RuntimeError("this server was started without a TCP port")
        secret = quote(self._password if password is None else password, safe="")
        return f"postgresql://{quote(user, safe='')}:{secret}@{HOST}:{self.port}/{database}"

    async def start(self) -> None:
        """Create the cluster if it is new, start the server and return when it answers queries.

        Raises ChildFailed with the end of the server's log.
        """
        _open_to(self._account, self._scratch.path)
        _own_directory(self._account, self._sockets)
        if not (self.home / "data").is_dir():
            await self._create_cluster()
        self._password = (self.home / "password").read_text()
        self._child.start()
        await self._child.ready_when(self._answers, within=60)

    async def stop(self, how: Shutdown = Shutdown.FAST) -> None:
        """Stop the server and keep its data; nothing happens if it is not running."""
        await self._child.stop(with_signal=how.value)

    async def restart(self, how: Shutdown = Shutdown.FAST) -> None:
        await self.stop(how)
        await self.start()

    async def close(self) -> None:
        """Stops the server and removes the data of a throw-away cluster."""
        try:
            await self.stop()
        finally:
            self._child.kill_if_running()
            self._scratch.remove()

    async def _create_cluster(self) -> None:
        """Runs initdb beside the final place, then renames: an interrupted attempt never looks like a cluster."""
        partial = self.home / "data.partial"
        shutil.rmtree(partial, ignore_errors=True)
        _own_directory(self._account, partial)
        password = secrets.token_urlsafe(24)
        handed_over = self._sockets / "password"
        _write_private(handed_over, password, self._account)
        _write_private(self.home / "password", password, None)
        initdb = ChildProcess(
            "initdb",
            (
                *(str(self._binaries / "initdb"), "-D", str(partial), "--username", SUPERUSER),
                *("--pwfile", str(handed_over), "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C"),
                *("--locale-provider", "builtin", "--builtin-locale", "C.UTF-8", "--no-instructions"),
                # A throw-away cluster need not survive the machine, and this halves the time of its making.
                *(("--no-sync",) if self.home == self._scratch.path else ()),
            ),
            log=self.home / "initdb.log",
            env=_ENVIRONMENT,
            cwd=Path("/"),
            account=self._account,
        )
        try:
            initdb.start()
            if (code := await initdb.wait()) != 0:
                raise ChildFailed(f"initdb ended with exit code {code}\n{initdb.log_tail()}")
        finally:
            initdb.kill_if_running()
            handed_over.unlink(missing_ok=True)
        partial.rename(self.home / "data")

    def _options(self, settings: Mapping[str, str]) -> list[str]:
        network = {
            "listen_addresses": "" if self.port is None else HOST,
            "port": str(self.port or _SOCKET_ONLY_PORT),
            "unix_socket_directories": str(self._sockets),
        }
        merged = {**_SETTINGS, **settings, **network}
        return [word for name, value in merged.items() for word in ("-c", f"{name}={value}")]

    async def _answers(self) -> bool:
        try:
            connection = await asyncpg.connect(self.url(), timeout=5)
        except (OSError, asyncpg.CannotConnectNowError, asyncpg.ConnectionDoesNotExistError):
            return False
        try:
            return bool(await connection.fetchval("SELECT true"))
        finally:
            await connection.close(timeout=5)

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def _home(state_dir: Path, account: Account | None) -> Path:
    """A directory of ours that `account` can enter: in `state_dir` if possible."""
    inside = state_dir / "postgres"
    inside.mkdir(parents=True, exist_ok=True)
    if account is None:
        inside.chmod(0o700)
        return inside
    _open_to(account, inside)
    if can_reach(account, inside):
        return inside
    mark = hashlib.sha256(os.fsencode(state_dir)).hexdigest()[:12]
    outside = temporary_root() / f"messaging-cluster-{os.geteuid()}-{mark}"
    outside.mkdir(mode=0o700, exist_ok=True)
    if outside.is_symlink() or outside.stat().st_uid != os.geteuid():
        raise ChildFailed(f"{outside} belongs to somebody else; remove it or choose another --state-dir")
    _open_to(account, outside)
    (inside / "location").write_text(f"{outside}\n")
    return outside


def _open_to(account: Account | None, directory: Path) -> None:
    """Lets `account` pass through (not list) a directory of ours; without an account nobody else gets in."""
    directory.chmod(0o700 if account is None else 0o755)


def _own_directory(account: Account | None, directory: Path) -> None:
    directory.mkdir(mode=0o700, exist_ok=True)
    if account is not None:
        os.chown(directory, account.uid, account.gid)


def _write_private(path: Path, text: str, owner: Account | None) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as handle:
        handle.write(text)
    if owner is not None:
        os.chown(path, owner.uid, owner.gid)
