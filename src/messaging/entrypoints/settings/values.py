"""The kinds of values that a setting can have; each refuses what it cannot mean, and prints nothing secret."""

import base64
import binascii
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Annotated, ClassVar, Final
from urllib.parse import SplitResult, urlsplit

from msgspec import Meta, Struct

from messaging.application import crashpoints

_MASTER_KEY_BYTES: Final = 32
# RFC 6052 knows no others.
_NAT64_LENGTHS: Final = frozenset({32, 40, 48, 56, 64, 96})

Port = Annotated[int, Meta(ge=1, le=65_535)]
Unlimited = Annotated[int, Meta(ge=0, le=1_000_000_000)]
Positive = Annotated[int, Meta(ge=1, le=10_000)]
Seconds = Annotated[float, Meta(gt=0, le=604_800)]
# Of one exchange with a tenant's endpoint: the lease of its lane is longer.
CallbackSeconds = Annotated[float, Meta(ge=5, le=30)]


class LogLevel(StrEnum):
    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Environment(StrEnum):
    """The kind of installation. In production an over-privileged database login ends the process."""

    DEVELOPMENT = "development"
    PRODUCTION = "production"


class Secret(Struct, frozen=True):
    """A value that is printed nowhere: not in logs, not in tracebacks, not in `app config`."""

    value: str

    def __repr__(self) -> str:
        return "Secret(…)"


class SecretHeaders(Secret, frozen=True):
    """Headers of a request, as `name=value` with commas between."""

    def __post_init__(self) -> None:
        if any(not name.strip() or not equals for name, equals, _ in self._pairs()):
            raise ValueError("is not `name=value` with commas between.")

    def as_dict(self) -> dict[str, str]:
        return {name.strip().lower(): value.strip() for name, _, value in self._pairs()}

    def _pairs(self) -> list[tuple[str, str, str]]:
        return [pair.partition("=") for pair in self.value.split(",")]


class MasterKey(Struct, frozen=True):
    """The key that wraps every tenant's data key, as base64 or hex."""

    value: str

    def __post_init__(self) -> None:
        if _key_bytes(self.value) is None:
            raise ValueError("is not 32 bytes in base64 or hex. Make one with `openssl rand -base64 32`.")

    @property
    def as_bytes(self) -> bytes:
        key = _key_bytes(self.value)
        assert key is not None
        return key

    def __repr__(self) -> str:
        return "MasterKey(…)"


def _key_bytes(text: str) -> bytes | None:
    for read in (bytes.fromhex, lambda t: base64.b64decode(t, validate=True), base64.urlsafe_b64decode):
        try:
            key = read(text)
        except (ValueError, binascii.Error):
            continue
        if len(key) == _MASTER_KEY_BYTES:
            return key
    return None


class Url(Struct, frozen=True):
    """A URL that may carry a password; `shown` leaves it out."""

    schemes: ClassVar[tuple[str, ...]]
    value: str

    def __post_init__(self) -> None:
        scheme, separator, _ = self.value.partition("://")
        if not separator or scheme not in self.schemes or self.value != self.value.strip():
            raise ValueError(f"is not a URL of this kind: {' or '.join(f'{scheme}://…' for scheme in self.schemes)}")

    @property
    def shown(self) -> str:
        parts = urlsplit(self.value)
        if parts.password is None:
            return self.value
        return parts._replace(netloc=_without_password(parts)).geturl()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.shown!r})"


class DatabaseUrl(Url, frozen=True):
    schemes = ("postgresql", "postgres", "postgresql+asyncpg")


class RedisUrl(Url, frozen=True):
    schemes = ("redis", "rediss", "unix")


class HttpUrl(Url, frozen=True):
    schemes = ("https", "http")

    @property
    def is_loopback(self) -> bool:
        host = urlsplit(self.value).hostname or ""
        try:
            return ip_address(host).is_loopback
        except ValueError:
            return host == "localhost"


class CrashPoints(Struct, frozen=True):
    """Points at which the process is to die, as `application/crashpoints.py` names them."""

    value: str

    def __post_init__(self) -> None:
        crashpoints.parse(self.value)

    @property
    def crashes(self) -> tuple[crashpoints.Crash, ...]:
        return crashpoints.parse(self.value)

    def __str__(self) -> str:
        return self.value


class RetentionDays(Struct, frozen=True):
    """A number of days, or 0 for ever. Echoes arrive up to 30 days late, and need the messages that they are about."""

    value: int

    def __post_init__(self) -> None:
        if self.value and not 30 <= self.value <= 36_500:
            raise ValueError("is neither 0 (for ever) nor between 30 and 36500.")

    def __str__(self) -> str:
        return str(self.value)


class Ports(Struct, frozen=True):
    """Port numbers, separated by commas."""

    value: str

    def __post_init__(self) -> None:
        if not all(port.isascii() and port.isdecimal() and 1 <= int(port) <= 65_535 for port in self.value.split(",")):
            raise ValueError("names something that is no port. Write it like 5432,6379.")

    @property
    def ports(self) -> frozenset[int]:
        return frozenset(map(int, self.value.split(",")))

    def __str__(self) -> str:
        return self.value


class Nat64Prefix(Struct, frozen=True):
    """The prefix under which a network reaches IPv4 by IPv6 (RFC 6052)."""

    value: str

    def __post_init__(self) -> None:
        try:
            length = IPv6Network(self.value).prefixlen
        except ValueError:
            length = 0
        if length not in _NAT64_LENGTHS:
            raise ValueError("is not a prefix of NAT64, of 32, 40, 48, 56, 64 or 96 bits. Write it like 64:ff9b::/96.")

    @property
    def network(self) -> IPv6Network:
        return IPv6Network(self.value)

    def __str__(self) -> str:
        return self.value


class Networks(Struct, frozen=True):
    """Networks in CIDR form, separated by commas."""

    value: str

    def __post_init__(self) -> None:
        if not self.networks:
            raise ValueError("names no network. Write it like 10.0.0.0/8,fd00::/8.")

    @property
    def networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        try:
            return tuple(ip_network(part.strip()) for part in self.value.split(",") if part.strip())
        except ValueError:
            raise ValueError("names something that is no network. Write it like 10.0.0.0/8,fd00::/8.") from None

    def __str__(self) -> str:
        return self.value


def _without_password(parts: SplitResult) -> str:
    return f"{parts.username or ''}:***@{parts.netloc.rpartition('@')[2]}"
