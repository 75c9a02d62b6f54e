"""Runs a whole platform on one machine: databases, sandbox provider, api, webhooks, worker and callbacks."""

import asyncio
import fcntl
import os
import secrets
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import IO, Final, Self

from msgspec import Struct
from msgspec.structs import replace

from messaging.application.ports.providers.descriptor import Provider
from messaging.entrypoints.composition.providers import PROVIDERS, settings_groups
from messaging.entrypoints.lab.dev import returned_mail
from messaging.entrypoints.lab.dev.processes.children import ChildFailed, ChildProcess
from messaging.entrypoints.lab.dev.processes.keeper import Keeper, Say
from messaging.entrypoints.lab.dev.processes.loopback import HOST
from messaging.entrypoints.lab.dev.processes.ports import Ports, require_free
from messaging.entrypoints.lab.dev.processes.scratch import ScratchDirectory
from messaging.entrypoints.lab.dev.servers.logins import make_database, make_logins
from messaging.entrypoints.lab.dev.servers.postgres import EmbeddedPostgres
from messaging.entrypoints.lab.dev.servers.redis import EmbeddedRedis
from messaging.entrypoints.settings.settings import fields_of

_DATABASE: Final = "messaging"
# With `-P` the current directory cannot shadow an installed module.
APP: Final = (sys.executable, "-P", "-m", "messaging.entrypoints.cli")
_PREFIX: Final = "APP_"
_COMMAND_SECONDS: Final = 60
# Services that workers call, or that are called about what workers did; they are stopped after the workers.
_CALLED: Final = ("sandbox", "webhooks")


class StateInUse(Exception):
    """Another `app dev` runs on the same state directory."""


class CommandFailed(Exception):
    """A command of ours (`app migrate`, …) ended with an error; the text is what it said."""


class Given(Struct, frozen=True, kw_only=True):
    """Services to use instead of embedded ones, and a master key to use instead of a stored one.

    Without `database_url` the two other database URLs are not used.
    """

    database_url: str | None = None
    database_system_url: str | None = None
    database_owner_url: str | None = None
    redis_url: str | None = None
    master_key: str | None = None


class Launch(Struct, frozen=True, kw_only=True):
    """One of our processes about to be started: `command` with `env`, known as `name`."""

    name: str
    command: tuple[str, ...]
    env: Mapping[str, str]


# What may change a launch before it happens: a detour over a proxy, another entry point.
Adjust = Callable[[Launch], Awaitable[Launch]]


class Stack:
    """Everything running, as an async context; leaving it (or dying) leaves nothing behind.

    Without `state_dir` all data is thrown away in the end. `overrides` are further settings of our processes
    (`APP_…` names); `adjust` sees each of them before it is started, when the services it needs are there.
    """

    def __init__(
        self,
        *,
        ports: Ports,
        say: Say,
        state_dir: Path | None = None,
        given: Given | None = None,
        overrides: Mapping[str, str] | None = None,
        adjust: Adjust | None = None,
    ) -> None:
        self.ports = ports
        self._say = say
        self._given = given or Given()
        self._overrides = dict(overrides or {})
        self._adjust = adjust
        self._scratch = ScratchDirectory("stack") if state_dir is None else None
        self.home = self._scratch.path if self._scratch is not None else _made(state_dir)
        self._keep_data = state_dir
        self._lock: IO[bytes] | None = None
        self.postgres: EmbeddedPostgres | None = None
        self.redis: EmbeddedRedis | None = None
        self.keepers: dict[str, Keeper] = {}
        self._stack = AsyncExitStack()
        self._instance = secrets.token_hex(8)
        self._owner_url: str | None = None

    @property
    def api(self) -> str:
        return f"http://{HOST}:{self.ports.api}"

    @property
    def webhooks(self) -> str:
        return f"http://{HOST}:{self.ports.webhooks}"

    @property
    def sandbox(self) -> str:
        return f"http://{HOST}:{self.ports.sandbox}"

    @property
    def pids(self) -> dict[str, int]:
        """Process ids of everything that runs now, by name."""
        embedded = {"postgres": self.postgres, "redis": self.redis}
        found = {name: server.pid for name, server in embedded.items() if server is not None}
        return found | {name: keeper.child.pid for name, keeper in self.keepers.items()}

    @property
    def database_url(self) -> str:
        """The database URL that our processes use for the work of one tenant."""
        return self._environment["APP_DATABASE_URL"]

    @property
    def database_settings(self) -> dict[str, str]:
        """The database settings of administrative commands: our processes' logins, and the owner's."""
        named = {name: self._environment.get(name) for name in ("APP_DATABASE_URL", "APP_DATABASE_SYSTEM_URL")}
        named["APP_DATABASE_OWNER_URL"] = self._owner_url
        return {name: url for name, url in named.items() if url is not None}

    @property
    def owner_url(self) -> str:
        """The URL of the login that owns the tables, which may assume both roles; no process of ours is given it."""
        return self._owner_url or self.database_url

    @property
    def redis_url(self) -> str:
        return self._environment["APP_REDIS_URL"]

    @property
    def master_key(self) -> str:
        return self._environment["APP_MASTER_KEY"]

    async def __aenter__(self) -> Self:
        try:
            self._lock = _lock(self.home)
            require_free(self._ports_used())
            await self._start()
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()

    async def run(self, *arguments: str, extra: Mapping[str, str] = MappingProxyType({})) -> str:
        """Run an `app` command against this platform; return what it printed. Raises CommandFailed.

        `extra` joins the environment our processes have.
        """
        process = await asyncio.create_subprocess_exec(
            *APP,
            *arguments,
            env={**self._environment, **extra},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(_COMMAND_SECONDS):
                out, talk = await process.communicate()
        except BaseException:
            if process.returncode is None:
                process.kill()
                await process.wait()
            raise
        if process.returncode != 0:
            command = " ".join(arguments[:2])
            raise CommandFailed(f"app {command} ended with exit code {process.returncode}\n{talk.decode()}")
        return out.decode()

    # --- start ----------------------------------------------------------------------------------------------------

    async def _start(self) -> None:
        self._environment = self._base_environment()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._start_database())
            group.create_task(self._start_redis())
            group.create_task(self._keep("sandbox", *self._sandbox_command(), ready=f"{self.sandbox}/healthz"))
        await self.run("migrate", extra={} if self._owner_url is None else {"APP_DATABASE_OWNER_URL": self._owner_url})
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep("webhooks", "webhooks", ready=f"{self.webhooks}/readyz"))
            group.create_task(self._keep("api", "api", ready=f"{self.api}/readyz"))
            group.create_task(self.start_worker())
            if self.ports.callbacks is not None:
                ready = f"http://{HOST}:{self.ports.callbacks}/readyz"
                group.create_task(self._keep("callbacks", "callbacks", ready=ready))
        await returned_mail.tell(self.sandbox, self.ports.mail)

    def _ports_used(self) -> Ports:
        """The ports to use; a service that is given listens on its own already."""
        postgres = self.ports.postgres if self._given.database_url is None else None
        redis = self.ports.redis if self._given.redis_url is None else None
        return replace(self.ports, postgres=postgres, redis=redis)

    def _base_environment(self) -> dict[str, str]:
        """The caller's environment without its APP_ settings: those describe some other installation."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(_PREFIX)}
        return {
            **inherited,
            "APP_MASTER_KEY": self._given.master_key or _master_key(self.home),
            "APP_INSTANCE": self._instance,
            "APP_SANDBOX_BASE_URL": self.sandbox,
            **provider_urls(self.sandbox),
            **returned_mail.settings(self.ports.mail),
            "APP_WEBHOOKS_PUBLIC_URL": self.webhooks,
            "APP_API_HOST": HOST,
            "APP_API_PORT": str(self.ports.api),
            "APP_WEBHOOKS_HOST": HOST,
            "APP_WEBHOOKS_PORT": str(self.ports.webhooks),
            "APP_WORKER_HOST": HOST,
            "APP_WORKER_PORT": str(self.ports.worker),
            "APP_CALLBACKS_HOST": HOST,
            "APP_CALLBACKS_PORT": str(self.ports.callbacks or 0),
            "APP_SEND_JOURNAL_DIRECTORY": str(self.home / "send-journal"),
            # A developer's endpoints are on this machine.
            "APP_OUTBOUND_ALLOW_NETS": "127.0.0.0/8,::1/128",
            **self._overrides,
        }

    async def _start_database(self) -> None:
        given = self._given
        url, system_url, self._owner_url = given.database_url, given.database_system_url, given.database_owner_url
        if url is None:
            self.postgres = EmbeddedPostgres(self._keep_data, port=self.ports.postgres)
            await self._stack.enter_async_context(self.postgres)
            url, system_url, self._owner_url = await _own_database(self.postgres)
        self._environment["APP_DATABASE_URL"] = url
        if system_url is not None:
            self._environment["APP_DATABASE_SYSTEM_URL"] = system_url

    async def _start_redis(self) -> None:
        url = self._given.redis_url
        if url is None:
            self.redis = EmbeddedRedis(self._keep_data, port=self.ports.redis)
            await self._stack.enter_async_context(self.redis)
            url = self.redis.url
        self._environment["APP_REDIS_URL"] = url

    def _sandbox_command(self) -> tuple[str, ...]:
        state = str(self.home / "sandbox")
        return (
            "sandbox",
            "--host",
            HOST,
            "--port",
            str(self.ports.sandbox),
            "--state-dir",
            state,
            "--instance",
            self._instance,
        )

    async def _keep(
        self, name: str, *arguments: str, ready: str, overrides: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        launch = Launch(name=name, command=(*APP, *arguments), env={**self._environment, **overrides})
        if self._adjust is not None:
            launch = await self._adjust(launch)
        log = self.home / "logs" / f"{name}.log"
        child = ChildProcess(name, launch.command, log=log, env=launch.env, cwd=self.home)
        keeper = Keeper(child, ready_url=ready, instance=self._instance, say=self._say)
        self.keepers[name] = keeper
        await keeper.start()

    async def start_worker(self) -> None:
        """Starts a worker after `stop_worker`; a running platform has one already."""
        await self._keep("worker", "worker", ready=f"http://{HOST}:{self.ports.worker}/readyz")

    async def add_worker(self, name: str, *, port: int) -> None:
        """Starts one more worker; `port` is for its health listener."""
        await self._keep(name, "worker", "--port", str(port), ready=f"http://{HOST}:{port}/readyz")

    async def add_api(self, name: str, *, port: int, overrides: Mapping[str, str] = MappingProxyType({})) -> str:
        """Starts one more API process with further settings of its own; returns its URL."""
        ready = f"http://{HOST}:{port}/readyz"
        await self._keep(name, "api", "--port", str(port), ready=ready, overrides=overrides)
        return f"http://{HOST}:{port}"

    async def stop_worker(self) -> None:
        """Lets the worker drain and end; accepted messages wait in PostgreSQL meanwhile."""
        await self.stop("worker")

    async def stop(self, name: str) -> None:
        """Stops one of our processes, which finishes its work first."""
        await self.keepers.pop(name).stop()

    # --- stop -----------------------------------------------------------------------------------------------------

    async def _close(self) -> None:
        """Stops callers first, then those they call; whatever is left after an interruption is killed."""
        try:
            await self._stop_ours("api")
            await self._stop_ours(*(name for name in self.keepers if name not in _CALLED))
            await self._stop_ours(*_CALLED)
        finally:
            for keeper in self.keepers.values():
                keeper.kill()
            try:
                await self._stack.aclose()
            finally:
                if self._lock is not None:
                    self._lock.close()
                if self._scratch is not None:
                    self._scratch.remove()

    async def _stop_ours(self, *names: str) -> None:
        keepers = [self.keepers[name] for name in names if name in self.keepers]
        await asyncio.gather(*(keeper.stop() for keeper in keepers))


def _made(state_dir: Path | None) -> Path:
    assert state_dir is not None
    state_dir.mkdir(parents=True, exist_ok=True)
    return state_dir.resolve()


def _lock(home: Path) -> IO[bytes]:
    handle = (home / "lock").open("wb")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        handle.close()
        raise StateInUse(f"{home} is used by another `app dev`; stop it, or choose another --state-dir") from error
    return handle


def _master_key(home: Path) -> str:
    """The master key, made once per state directory: without it nothing stored there can be read again."""
    path = home / "master_key"
    if not path.exists():
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as handle:
            handle.write(secrets.token_hex(32))
    return path.read_text()


async def _own_database(server: EmbeddedPostgres) -> tuple[str, str, str]:
    """A database that an ordinary login owns and two lesser ones work in. Returns its URLs: tenants, system, owner."""
    logins = await make_logins(server)
    await make_database(server, _DATABASE)
    tenants, system, owner = (
        server.url(_DATABASE, user=login.user, password=login.password)
        for login in (logins.tenants, logins.system, logins.owner)
    )
    return tenants, system, owner


__all__ = ["APP", "Adjust", "ChildFailed", "CommandFailed", "Given", "Launch", "Stack", "StateInUse"]


def provider_urls(sandbox: str, providers: Iterable[Provider] = PROVIDERS) -> dict[str, str]:
    """Settings that lead every provider's base URLs to its look-alike: no message leaves this machine, whatever the
    mode of a key.
    """
    return {
        f"{group.prefix}{field.name.upper()}": f"{sandbox}/{name}"
        for name, group in settings_groups(providers).items()
        for field in fields_of(group.kind)
        if field.name.endswith("base_url")
    }
