"""Records outcomes from the send journals of crashed processes on this machine: sends that never left, and refusals.

After a crash between the commit of a start and the first byte, only the journal tells that no byte had left. That is
as good a proof as a refused connection, and the message is sent again.
"""

import logging
from typing import Final

from messaging.application.messages.delivering.record_outcomes import Concluded, NeverLeft, Outcome, RecordOutcomes
from messaging.application.ports.send_journal import CrashedSend, SendJournal

log = logging.getLogger(__name__)

_BATCH: Final = 200


class RecoverCrashedSends:
    def __init__(self, *, journal: SendJournal, record: RecordOutcomes) -> None:
        self._journal = journal
        self._record = record

    async def __call__(self) -> int:
        """The number of sends whose outcome was recorded. Raises StoreUnavailable; the journals are kept then."""
        recorded = 0
        for crashed in self._journal.crashed():
            with crashed as sends:
                known = [outcome for send in sends if (outcome := _outcome(send)) is not None]
                for first in range(0, len(known), _BATCH):
                    await self._record.together(known[first : first + _BATCH])
            log.info("crashed_sends.recovered", extra={"noted": len(sends), "settled": len(known)})
            recorded += len(known)
        return recorded


def _outcome(send: CrashedSend) -> Outcome | None:
    """The outcome that a journal entry proves; None where bytes had left without an answer, which only the provider's
    echo can tell.
    """
    if send.failure is not None:
        return Concluded(send.key, send.epoch, send.account_id, send.failure)
    return None if send.sent else NeverLeft(send.key, send.epoch)
