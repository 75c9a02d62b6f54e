"""Hands finished use cases from the composition to handlers, by name."""

from typing import Any

from litestar.di import Provide

# The container of a slice. Routers take the use cases of their handlers out of it once, when the process starts:
# what is missing or misspelt stops it there.
UseCases = Any


def use_case(instance: object) -> Provide:
    """A provider of one finished instance. Given a class, Litestar would read its constructor as query parameters."""
    return Provide(lambda: instance, sync_to_thread=False)
