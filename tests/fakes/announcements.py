"""What was announced, in a list."""

from collections.abc import Sequence

from messaging.application.ports.callbacks.announcements import Announcement
from messaging.application.ports.callbacks.listening import Listening


class InMemoryAnnouncements:
    """Everybody listens, unless `listening` says who does."""

    def __init__(self, listening: Listening | None = None) -> None:
        self.announced: list[Announcement] = []
        self._listening = listening

    async def announce(self, announcements: Sequence[Announcement]) -> None:
        heard = self._listening
        self.announced += [it for it in announcements if heard is None or heard.listening(it.tenant_id, it.mode)]
