"""The parts of a request that operations use, whether the framework or the express lane took it apart."""

from collections.abc import Mapping
from typing import Protocol

from litestar.types import Receive, Scope

from messaging.domain.tenants.tenant import Principal


class Call(Protocol):
    """A request of any origin. Header names are looked up in lower case; of a repeated header the first counts."""

    @property
    def scope(self) -> Scope: ...
    @property
    def receive(self) -> Receive: ...
    @property
    def headers(self) -> Mapping[str, str]: ...


class TenantCall(Call, Protocol):
    """A request of a caller who was admitted: `auth` is the tenant's principal."""

    @property
    def auth(self) -> Principal: ...


class LeanCall:
    """A request without the framework's object, which would build its headers anew at each access."""

    __slots__ = ("headers", "receive", "scope")

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.scope = scope
        self.receive = receive
        given = list(scope["headers"])
        # Headers are read backwards, so that the first of a repeated header stays.
        self.headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in reversed(given)}

    @property
    def auth(self) -> Principal:
        principal = self.scope["auth"]
        assert isinstance(principal, Principal)
        return principal
