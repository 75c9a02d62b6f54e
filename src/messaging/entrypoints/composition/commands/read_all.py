"""Reads a list to its end, for commands that print all of it."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from messaging.application.ports.paging import Page

T = TypeVar("T")


async def read_all(listed: Callable[..., Awaitable[Page[T, Any]]], *, page: int, **only: object) -> tuple[T, ...]:
    """Every item of a list that a use case gives in pages of `page` items; `only` are the list's filters."""
    found: tuple[T, ...] = ()
    before: Any = None
    while True:
        part = await listed(before=before, limit=page, **only)
        found += part.items
        if part.next_after is None:
            return found
        before = part.next_after
