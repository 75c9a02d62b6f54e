"""Writes the status page into a directory; a reader sees each file whole, the old one or the new one."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from tempfile import NamedTemporaryFile

from messaging.application.status.compose import StatusPage
from messaging.entrypoints.worker.status_page import files


class WriteStatusPage:
    """Composes the page and writes it. Several workers may write the same directory: all write the same."""

    def __init__(self, compose: Callable[[], Awaitable[StatusPage]], *, directory: str, title: str) -> None:
        self._compose = compose
        self._directory = Path(directory)
        self._title = title

    async def __call__(self) -> None:
        """Raises OSError if the directory cannot be written."""
        written = files(await self._compose(), title=self._title)
        await asyncio.to_thread(_write, self._directory, written)


def _write(directory: Path, files: Mapping[str, bytes]) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        with NamedTemporaryFile(dir=directory, prefix=f".{name}.", delete=False) as part:
            part.write(content)
        # Readable for the web server, which runs as somebody else.
        os.chmod(part.name, 0o644)
        os.replace(part.name, directory / name)
