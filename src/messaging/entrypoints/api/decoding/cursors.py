"""Cursors of list pages: opaque to callers, signed, and bound to tenant, list and filter."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable
from typing import Any, Generic, TypeVar
from uuid import UUID

import msgspec
from litestar import Request
from msgspec import Struct

from messaging.application.access.authenticate import Admin
from messaging.application.ports.paging import Page
from messaging.domain.shared.errors import DomainError
from messaging.domain.tenants.tenant import Principal
from messaging.entrypoints.api.decoding.queries import PageQuery

T = TypeVar("T")


class ListView(Struct, Generic[T], frozen=True, kw_only=True):
    """A page of a list. Ask for the next with `?after=<next_cursor>` and the same filters."""

    data: tuple[T, ...]
    next_cursor: str | None
    has_more: bool


class Cursors:
    """Makes and checks cursors. One of another tenant, list or filter is refused exactly like an invented one."""

    def __init__(self, *, sign: Callable[[str], str]) -> None:
        self._sign = sign

    def view(self, request: Request[Any, Any, Any], query: PageQuery, page: Page[T, Any]) -> ListView[T]:
        if page.next_after is None:
            return ListView(data=page.items, next_cursor=None, has_more=False)
        position = str(page.next_after)
        text = f"{position}.{self._signature(request, query, position)}"
        cursor = base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
        return ListView(data=page.items, next_cursor=cursor, has_more=True)

    def uuid(self, request: Request[Any, Any, Any], query: PageQuery) -> UUID | None:
        """The id after which the page begins; None on the first page. Raises DomainError `cursor_invalid`."""
        position = self._position(request, query)
        return None if position is None else UUID(position)

    def number(self, request: Request[Any, Any, Any], query: PageQuery) -> int:
        position = self._position(request, query)
        return 0 if position is None else int(position)

    def _position(self, request: Request[Any, Any, Any], query: PageQuery) -> str | None:
        if query.after is None:
            return None
        try:
            padded = query.after + "=" * (-len(query.after) % 4)
            text = base64.b64decode(padded.encode("ascii"), altchars=b"-_", validate=True).decode()
        except (binascii.Error, UnicodeError):
            raise _invalid() from None
        position, _, signature = text.rpartition(".")
        expected = self._signature(request, query, position)
        if not hmac.compare_digest(signature.encode(), expected.encode()):
            raise _invalid()
        return position

    def _signature(self, request: Request[Any, Any, Any], query: PageQuery, position: str) -> str:
        # The encoding is deterministic: the values of a set have no order of their own.
        filters = msgspec.to_builtins(query, order="deterministic")
        del filters["after"], filters["limit"]
        digest = hashlib.sha256(msgspec.json.encode(filters, order="deterministic")).hexdigest()
        return self._sign(f"cursor:{_holder(request.auth)}:{request.url.path}:{digest}:{position}")


def _holder(auth: Principal | Admin) -> str:
    return f"{auth.tenant_id}:{auth.mode}" if isinstance(auth, Principal) else "platform"


def _invalid() -> DomainError:
    return DomainError(
        "cursor_invalid", "Use next_cursor as it was given, with the same key and filters, or start without after."
    )
