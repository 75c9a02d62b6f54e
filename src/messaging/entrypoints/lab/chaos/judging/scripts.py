"""What each look-alike reports about an entry of the ledger, by its recipient's outcome."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from messaging.domain.messages.state import RANK, State
from messaging.entrypoints.sandbox.core.storage.ledger import Entry
from messaging.entrypoints.sandbox.smtp import outcomes as mailboxes
from messaging.entrypoints.sandbox.smtp.sent import Sent as Mail
from messaging.entrypoints.sandbox.twilio import recipients as phones
from messaging.entrypoints.sandbox.twilio.sent import Sent as Text
from messaging.entrypoints.sandbox.whatsapp_cloud import recipients as people
from messaging.entrypoints.sandbox.whatsapp_cloud.sent import Sent as Chat


class Script(Struct, frozen=True, kw_only=True):
    """`steps` is the number of reports about the message. With `echoes` they prove its acceptance; the highest rank
    that they lead to is `best`, None where that depends on more than the reports.
    """

    steps: int
    echoes: bool
    best: int | None


class _Whose(Struct, frozen=True):
    provider: str = ""


def read_entry(line: bytes) -> Entry:
    """A line of the ledger, as the provider's own type."""
    kind = _KINDS.get(msgspec.json.decode(line, type=_Whose).provider, Chat)
    return msgspec.json.decode(line, type=kind)


def script_of(entry: Entry) -> Script:
    return _SCRIPTS[type(entry)](entry)


def _chat(entry: Chat) -> Script:
    outcome = people.outcome_for(entry.recipient)
    ranks = [RANK[State(step.status)] for step in outcome.script]
    return Script(steps=len(outcome.script), echoes=outcome.echo, best=max(ranks, default=0))


_TEXT_STATES: Final = {
    "sent": State.SENT,
    "delivered": State.DELIVERED,
    "undelivered": State.FAILED,
    "failed": State.FAILED,
}


def _text(entry: Text) -> Script:
    outcome = phones.outcome_for(entry.to)
    ranks = [RANK[_TEXT_STATES.get(step.status, State.SUBMITTED)] for step in outcome.script]
    return Script(steps=len(outcome.script), echoes=True, best=max(ranks, default=0))


def _mail(entry: Mail) -> Script:
    """Only a mail that comes back as undeliverable tells of its message."""
    returns = mailboxes.outcome_for(entry.to).returns
    fails = mailboxes.Returns.FAILED in returns
    return Script(steps=len(returns), echoes=fails, best=RANK[State.FAILED] if fails else None)


_KINDS: Final[Mapping[str, type[Entry]]] = {"twilio": Text, "smtp": Mail}
_SCRIPTS: Final[Mapping[type[Entry], Callable[[Any], Script]]] = {Chat: _chat, Text: _text, Mail: _mail}
