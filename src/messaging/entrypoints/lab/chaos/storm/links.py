"""The connections between the processes of a storm, each led through a proxy of its own."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from msgspec.structs import replace

from messaging.entrypoints.lab.chaos.storm.proxy import FaultProxy
from messaging.entrypoints.lab.dev.processes.loopback import HOST
from messaging.entrypoints.lab.dev.processes.ports import Ports
from messaging.entrypoints.lab.dev.stack import Adjust, Launch

WORKERS: Final = ("worker", "worker-2")
CALLBACKS: Final = "callbacks"
_PROCESSES: Final = (*WORKERS, "api", "webhooks")
# The sandbox tells workers the port of its mail server, and they know its host. With an address of its own for each
# worker, that port is a proxy's.
_HOSTS: Final = {"worker": "127.0.0.2", "worker-2": "127.0.0.3"}


class Links:
    """The proxies by name (`worker→postgres`), and the settings that make a process use them."""

    def __init__(
        self, ports: Ports, *, planted: Adjust | None = None, mail: bool = False, callbacks: bool = False
    ) -> None:
        assert ports.postgres is not None
        assert ports.redis is not None
        self._planted = planted
        self._processes = (*_PROCESSES, CALLBACKS) if callbacks else _PROCESSES
        self.proxies: dict[str, FaultProxy] = {}
        for process in self._processes:
            self._add(process, "postgres", ports.postgres)
            self._add(process, "redis", ports.redis)
        for worker in WORKERS:
            self._add(worker, "sandbox", ports.sandbox, host=_HOSTS[worker] if mail else HOST)
        self._to_mail = [f"{worker}→mail" for worker in WORKERS if mail]
        for worker in WORKERS if mail else ():
            self._add(worker, "mail", 0, host=_HOSTS[worker])
        self._add("sandbox", "webhooks", ports.webhooks)
        self._add("client", "api", ports.api)

    def _add(self, caller: str, called: str, port: int, *, host: str = HOST) -> None:
        name = f"{caller}→{called}"
        self.proxies[name] = FaultProxy(name, target=port, host=host)

    async def open(self) -> None:
        for name, proxy in self.proxies.items():
            if name not in self._to_mail:
                await proxy.open()

    async def open_mail(self, port: int) -> None:
        """Leads the workers' connections to the sandbox's mail server, on this port, through their proxies."""
        for name in self._to_mail:
            self.proxies[name].target = port
            await self.proxies[name].open(port)

    async def close(self) -> None:
        for proxy in self.proxies.values():
            await proxy.close()

    def heal(self) -> None:
        for proxy in self.proxies.values():
            proxy.heal()

    def address(self, caller: str, called: str) -> str:
        proxy = self.proxies[f"{caller}→{called}"]
        return f"{proxy.host}:{proxy.port}"

    async def adjust(self, launch: Launch) -> Launch:
        """Makes a process use the proxies; the sandbox needs none, it is told where to call."""
        if launch.name not in self._processes:
            return launch
        launch = replace(launch, env={**launch.env, **self._detour(launch.name, launch.env)})
        return launch if self._planted is None else await self._planted(launch)

    def _detour(self, process: str, env: Mapping[str, str]) -> dict[str, str]:
        redis = urlsplit(env["APP_REDIS_URL"])
        detour = {
            "APP_DATABASE_URL": self._database_detour(process, env["APP_DATABASE_URL"]),
            "APP_DATABASE_SYSTEM_URL": self._database_detour(process, env["APP_DATABASE_SYSTEM_URL"]),
            "APP_REDIS_URL": f"redis://:{redis.password}@{self.address(process, 'redis')}/0",
            "APP_WEBHOOKS_PUBLIC_URL": f"http://{self.address('sandbox', 'webhooks')}",
        }
        if process in WORKERS:
            detour["APP_SANDBOX_BASE_URL"] = f"http://{self.address(process, 'sandbox')}"
        return detour

    def _database_detour(self, process: str, url: str) -> str:
        database = urlsplit(url)
        login = f"{database.username}:{database.password}"
        return f"postgresql://{login}@{self.address(process, 'postgres')}{database.path}"
