"""The connections a process holds open (Postgres, Redis, HTTP to others), and the order in which they close."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from msgspec import Struct
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import QueuePool

from messaging.adapters.http.client import ProviderHttp
from messaging.adapters.http.safe_egress.addresses import AddressRule, Network
from messaging.adapters.http.safe_egress.exchange import HttpCallbackExchange
from messaging.adapters.postgres.session.engine import Engines, create_engines
from messaging.adapters.redis.connections import pool_of
from messaging.entrypoints.observability.operations import PoolUse
from messaging.entrypoints.settings.settings import Settings
from messaging.entrypoints.settings.values import Networks


class Resources(Struct, frozen=True, kw_only=True):
    """The connections of a process. All are built synchronously; each connects on first use.

    `rule` tells which addresses of hosts that tenants name may be connected to.
    What `on_close` is given runs when the process ends, before these close.
    """

    engines: Engines
    redis: Redis
    http: ProviderHttp
    rule: AddressRule
    exchange: HttpCallbackExchange
    registry: CollectorRegistry
    on_close: Callable[[Callable[[], Awaitable[None]]], object]


@asynccontextmanager
async def open_resources(settings: Settings) -> AsyncIterator[Resources]:
    """Opens all of them for the length of the block, and closes them in reverse order, also when opening a later one
    failed.
    """
    async with AsyncExitStack() as stack:
        system = settings.database_system_url
        engines = create_engines(
            settings.database_url.value,
            system_url=None if system is None else system.value,
            pool_size=settings.database_pool_size,
        )
        stack.push_async_callback(engines.dispose)
        redis = Redis.from_pool(pool_of(settings.redis_url.value))
        stack.push_async_callback(redis.aclose)
        # The pool holds more connections than sends can be open at once, slow ones included, so that it never limits
        # sending.
        http = ProviderHttp(connections=2 * settings.delivery_concurrency + 16)
        stack.push_async_callback(http.aclose)
        rule = _address_rule(settings)
        exchange = HttpCallbackExchange(
            rule, denied_ports=settings.outbound_denied_ports.ports, ca_bundle=settings.outbound_ca_bundle
        )
        stack.push_async_callback(exchange.aclose)
        yield Resources(
            engines=engines,
            redis=redis,
            http=http,
            rule=rule,
            exchange=exchange,
            registry=_registry(engines),
            on_close=stack.push_async_callback,
        )


def _address_rule(settings: Settings) -> AddressRule:
    prefix = settings.outbound_nat64_prefix
    return AddressRule(
        allow=_networks(settings.outbound_allow_nets),
        deny=_networks(settings.outbound_deny_nets),
        nat64=None if prefix is None else prefix.network,
    )


def _networks(given: Networks | None) -> tuple[Network, ...]:
    return () if given is None else given.networks


def _registry(engines: Engines) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(
        PoolUse(
            {
                "app": _taken(engines.app),
                "accepting": _taken(engines.accepting),
                "system": _taken(engines.system),
            }
        )
    )
    return registry


def _taken(engine: AsyncEngine) -> Callable[[], int]:
    pool = engine.pool
    assert isinstance(pool, QueuePool)
    return pool.checkedout
