"""Converts settings to the limits of one HTTP listener."""

from messaging.entrypoints.http_server.bounds import HttpBounds
from messaging.entrypoints.settings.settings import Settings


def http_bounds(settings: Settings) -> HttpBounds:
    return HttpBounds(
        connections=settings.http_connections,
        header_lines=settings.http_header_lines,
        head_bytes=settings.http_head_bytes,
        head_seconds=settings.http_head_seconds,
        body_seconds=settings.http_body_seconds,
        idle_seconds=settings.http_idle_seconds,
    )
