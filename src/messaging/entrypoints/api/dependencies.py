"""Hands finished use cases from the composition to handlers, by name."""

from litestar.di import Provide


def use_case(instance: object) -> Provide:
    """Litestar would read a class's constructor as query parameters; an instance behind a closure has none."""
    return Provide(lambda: instance, sync_to_thread=False)
