"""Runs a real Redis as a child process without its being installed."""

import os
import secrets
import shutil
import sys
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from messaging.entrypoints.lab.dev.processes.children import ChildFailed, ChildProcess
from messaging.entrypoints.lab.dev.processes.loopback import HOST, free_port
from messaging.entrypoints.lab.dev.processes.scratch import ScratchDirectory, hold

_NAMES: Final = ("redis-server", "valkey-server")


class RedisNotInstalled(Exception):
    """There is no Redis or Valkey program to start."""

    def __init__(self) -> None:
        super().__init__(
            "no redis-server or valkey-server found: run `make install` in the checkout, install one with your "
            "package manager, or point APP_REDIS_URL at a server"
        )


class EmbeddedRedis:
    """A private Redis with an append-only file: Unix socket always, loopback TCP if `port` is given (0: a free one).

    With a `state_dir` the data lives in `state_dir/redis`; without, it is thrown away. If we are killed, so is the
    server; at most its last second of writes is lost, which the platform tolerates. Addresses stay the same over
    stop and start.
    """

    def __init__(self, state_dir: Path | None = None, *, port: int | None = None) -> None:
        program = find_redis()
        self._scratch = ScratchDirectory("redis")
        self.home = self._scratch.path if state_dir is None else state_dir.resolve() / "redis"
        self.port = None if port is None else port or free_port()
        # The socket's directory admits only us; a TCP port admits every local user, so it asks for a password.
        self._password = "" if self.port is None else secrets.token_urlsafe(24)
        self._hold: IO[bytes] | None = None
        self._socket = self._scratch.path / "redis.sock"
        self._child = ChildProcess(
            "redis",
            (program, str(self._scratch.path / "redis.conf")),
            log=self.home / "redis.log",
            cwd=Path("/"),
        )

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def url(self) -> str:
        """A `unix://` URL. It holds the password, if there is one."""
        login = f":{self._password}@" if self._password else ""
        return f"unix://{login}{self._socket}?db=0"

    @property
    def tcp_url(self) -> str:
        """As `url`, over loopback TCP."""
        if self.port is None:
            raise RuntimeError("this server was started without a TCP port")
        return f"redis://:{self._password}@{HOST}:{self.port}/0"

    async def start(self) -> None:
        """Start the server and return when it answers; raises ChildFailed with the end of its log."""
        self.home.mkdir(parents=True, exist_ok=True)
        # Unlike PostgreSQL, Redis lets two servers write to one file.
        if self.home != self._scratch.path and self._hold is None:
            self._hold = hold(self.home)
            if self._hold is None:
                raise ChildFailed(f"another Redis uses {self.home}; stop it or choose another state directory")
        # The scratch directory admits only us, so the password in this file is ours alone.
        (self._scratch.path / "redis.conf").write_text(self._config())
        self._child.start()
        await self._child.ready_when(self._answers)

    async def stop(self) -> None:
        """Stop the server and keep its data; nothing happens if it is not running."""
        await self._child.stop(grace=10)

    async def restart(self) -> None:
        await self.stop()
        await self.start()

    async def kill(self) -> None:
        """End the server as a crash would."""
        self._child.kill()
        await self._child.wait()

    async def flush(self) -> None:
        """Forgets everything, as an operator's FLUSHALL does."""
        async with Redis.from_url(self.url) as client:
            await client.flushall()

    async def close(self) -> None:
        """Stops the server and removes throw-away data."""
        try:
            await self.stop()
        finally:
            self._child.kill_if_running()
            if self._hold is not None:
                self._hold.close()
            self._scratch.remove()

    def _config(self) -> str:
        lines = [
            f"port {self.port or 0}",
            f"bind {HOST}",
            f'unixsocket "{self._socket}"',
            "unixsocketperm 700",
            f'dir "{self.home}"',
            "daemonize no",
            'save ""',
            "appendonly yes",
            "appendfsync everysec",
            # A queue must never evict entries: refusing a write is better than silently forgetting one.
            "maxmemory-policy noeviction",
        ]
        if self._password:
            lines.append(f"requirepass {self._password}")
        return "\n".join(lines) + "\n"

    async def _answers(self) -> bool:
        async with Redis.from_url(self.url, socket_timeout=5) as client:
            try:
                return bool(await client.ping())
            except RedisConnectionError:  # not listening yet, or still loading its file
                return False

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


def find_redis() -> str:
    """The path of the server program: the machine's own if it has one, else the one that `make install` unpacked."""
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    bundled = Path(sys.prefix) / "bin" / "redis-server"
    if found is None and os.access(bundled, os.X_OK):
        found = str(bundled)
    if found is None:
        raise RedisNotInstalled
    return found
