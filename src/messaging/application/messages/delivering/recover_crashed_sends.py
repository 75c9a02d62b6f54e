"""Records outcomes from the send journals of crashed processes on this machine: sends that never left, and refusals.

After a crash between the commit of a start and the first byte, only the journal tells that no byte had left. That is
as good a proof as a refused connection, and the message is sent again.
"""

import logging
from typing import Final

from messaging.application.messages.delivering.record_outcomes import Concluded, NeverLeft, Outcome, WriteOutcomes
from messaging.application.ports.send_journal import CrashedJournals, Noted

log = logging.getLogger(__name__)

_BATCH: Final = 200


class RecoverCrashedSends:
    def __init__(self, *, crashed_journals: CrashedJournals, write: WriteOutcomes) -> None:
        self._crashed_journals = crashed_journals
        self._write = write

    async def __call__(self) -> int:
        """The number of sends whose outcome was recorded. Raises StoreUnavailable; the journals are kept then."""
        settled = 0
        for crashed in self._crashed_journals.found():
            with crashed as notes:
                known = [outcome for note in notes if (outcome := _told_by(note)) is not None]
                for first in range(0, len(known), _BATCH):
                    await self._write.together(known[first : first + _BATCH])
            log.info("crashed_sends.recovered", extra={"noted": len(notes), "settled": len(known)})
            settled += len(known)
        return settled


def _told_by(note: Noted) -> Outcome | None:
    """The outcome that a journal entry proves; None where bytes had left without an answer, which only the provider's
    echo can tell.
    """
    if note.failure is not None:
        return Concluded(note.key, note.epoch, note.account_id, note.failure, None)
    return None if note.departed else NeverLeft(note.key, note.epoch)
