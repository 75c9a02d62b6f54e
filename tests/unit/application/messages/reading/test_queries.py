"""Reading messages back: which are looked for, what is shown of them, and what keeps one that waits."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from messaging.application.contacts.indexes import index_of, indexes_of
from messaging.application.messages.reading import payload
from messaging.application.messages.reading.queries import (
    FindDeadLetter,
    FindMessage,
    ListDeadLetters,
    ListEvents,
    ListMessages,
    Wanted,
)
from messaging.application.messages.reading.views import AttachedFile, MessageError, MessageView, SentEmail, shown
from messaging.application.ports.attempts import AttemptRef
from messaging.application.ports.dead_letters import DeadLetterRow
from messaging.application.ports.records import EventRow, MessageFilter, MessagePage, MessageRow
from messaging.application.ports.snapshots import TenantSnapshot
from messaging.domain.channels.address import Channel
from messaging.domain.content.email import Attachment, Email
from messaging.domain.messages.message_state import MessageKey
from messaging.domain.messages.state import State
from messaging.domain.shared.errors import DomainError
from messaging.domain.shared.ids import AccountId, MessageId, Prefix, TenantId, typeid
from messaging.domain.shared.mode import Mode, Reach
from messaging.domain.tenants.tenant import SenderStatus
from tests.builders import (
    ACCOUNT,
    ANA,
    MESSAGE,
    NOON,
    SENDER,
    TENANT,
    WAMID,
    a_principal,
    a_sender,
    a_snapshot,
    a_template_message,
    an_account,
)
from tests.fakes.contact_aliases import InMemoryContactAliases
from tests.fakes.snapshots import InMemorySnapshots
from tests.unit.application.webhooks.doubles import CIPHER, DATA_KEYS, KEY_RING

OTHER = MessageId(UUID(int=1))


def a_row(**changes: Any) -> MessageRow:
    packed = payload.encode(payload.Payload(to=ANA, content=a_template_message(), metadata={"shop": "1"}))
    fields: dict[str, Any] = {
        "id": MESSAGE,
        "mode": Mode.LIVE.value,
        "channel": "whatsapp",
        "state": State.QUEUED,
        "category": "utility",
        "priority": "default",
        "on_unknown": "hold",
        "policy": "durable",
        "account_id": typeid(Prefix.ACCOUNT, ACCOUNT),
        "sender_id": typeid(Prefix.SENDER, SENDER),
        "template_id": None,
        "reference": None,
        "summary": "template order_update (en_US)",
        "attempts": 1,
        "checks": 0,
        "error_code": None,
        "error_reason": None,
        "provider_message_id": None,
        "possible_duplicate": False,
        "send_at": None,
        "expires_at": None,
        "created_at": NOON,
        "updated_at": NOON,
        "sealed": CIPHER.seal(payload.context(MESSAGE), packed),
    }
    return MessageRow(**(fields | changes))


def an_event(seq: int, state: State = State.CLAIMED) -> EventRow:
    return EventRow(seq=seq, type="message.claimed", state=state, recorded_at=NOON, occurred_at=None, detail={})


def a_letter(id: MessageId = MESSAGE) -> DeadLetterRow:
    return DeadLetterRow(message_id=id, code="x", reason="y", died_at=NOON, resolved_at=None, resolution=None)


class World:
    """A tenant's records; `asked` are the filters and limits they were read with."""

    def __init__(self, *rows: MessageRow, facts: TenantSnapshot | None = None) -> None:
        self.rows = {row.id: row for row in rows}
        self.facts = facts or a_snapshot(data_keys=DATA_KEYS)
        self.event_rows: list[EventRow] = []
        self.letters: list[DeadLetterRow] = []
        self.asked: list[Any] = []
        self.attempts: dict[tuple[AccountId, str], AttemptRef] = {}
        self.contact_aliases = InMemoryContactAliases(TENANT, Mode.LIVE)

    def reading(self, use_case: Any) -> Any:
        doubles: Any = {"open_uow": self.open}
        if use_case not in (ListDeadLetters, FindDeadLetter):
            doubles |= {"snapshots": InMemorySnapshots(self.facts), "key_ring": KEY_RING}
        return use_case(**doubles)

    async def list(self, **wanted: Any) -> tuple[list[MessageView], Any]:
        page = await self.reading(ListMessages)(a_principal(), Wanted(**wanted), before=OTHER, limit=7)
        return list(page.items), page.next_after

    @asynccontextmanager
    async def open(self, tenant_id: TenantId, mode: Reach) -> AsyncIterator[Any]:
        letters = SimpleNamespace(page=self.dead_letters, find=self.dead_letter)
        yield SimpleNamespace(records=self, attempts=self, dead_letters=letters, contact_aliases=self.contact_aliases)

    async def message(self, id: MessageId) -> MessageRow | None:
        return self.rows.get(id)

    async def page(self, wanted: MessageFilter, *, before: MessageId | None, limit: int) -> MessagePage:
        self.asked.append((wanted, before, limit))
        return MessagePage(rows=tuple(self.rows.values()), scanned_to=MESSAGE)

    async def events(self, id: MessageId, *, after: int, limit: int) -> Sequence[EventRow]:
        return [row for row in self.event_rows if row.seq > after][:limit]

    async def dead_letters(self, *, before: MessageId | None, limit: int, open_only: bool) -> Sequence[DeadLetterRow]:
        self.asked.append((before, limit, open_only))
        return self.letters[:limit]

    async def dead_letter(self, id: MessageId) -> DeadLetterRow | None:
        return next((letter for letter in self.letters if letter.message_id == id), None)

    async def find(self, provider_ids: Sequence[tuple[AccountId, str]]) -> Mapping[tuple[AccountId, str], AttemptRef]:
        return {wanted: self.attempts[wanted] for wanted in provider_ids if wanted in self.attempts}


async def refusal(attempt: Any) -> DomainError:
    with pytest.raises(DomainError) as refused:
        await attempt
    return refused.value


# --- one message ------------------------------------------------------------------------------------------------------


async def test_a_message_is_shown_opened_and_by_public_names() -> None:
    row = a_row(state=State.CLAIMED, error_code="130429", error_reason=None)

    view = await World(row).reading(FindMessage)(a_principal(), MESSAGE)

    assert (view.status, view.to, view.metadata) == ("queued", ANA.value, {"shop": "1"})
    assert (view.content, view.error) == (a_template_message(), MessageError(code="130429", reason=""))
    assert (await World(a_row()).reading(FindMessage)(a_principal(), MESSAGE)).error is None


@pytest.mark.parametrize(
    ("state", "sender", "held"),
    [
        (State.QUEUED, SenderStatus.PAUSED, "sender_paused"),
        (State.QUEUED, SenderStatus.ACTIVE, None),
        (State.CLAIMED, SenderStatus.PAUSED, None),
        (State.SENT, SenderStatus.PAUSED, None),
    ],
)
async def test_a_message_that_waits_tells_what_keeps_it(state: State, sender: SenderStatus, held: str | None) -> None:
    facts = a_snapshot(data_keys=DATA_KEYS, senders=(a_sender(status=sender),))

    view = await World(a_row(state=state), facts=facts).reading(FindMessage)(a_principal(), MESSAGE)

    assert view.held == held


@pytest.mark.parametrize(("field", "id"), [("account_id", "nonsense"), ("sender_id", "nonsense")])
async def test_a_message_of_a_sender_that_cannot_be_told_shows_no_hold(field: str, id: str) -> None:
    facts = a_snapshot(data_keys=DATA_KEYS, senders=(a_sender(status=SenderStatus.PAUSED),))

    view = await World(a_row(**{field: id}), facts=facts).reading(FindMessage)(a_principal(), MESSAGE)

    assert view.held is None


async def test_what_is_not_there_is_not_found() -> None:
    world = World(a_row())

    assert (await refusal(world.reading(FindMessage)(a_principal(), OTHER))).code == "not_found"
    assert (await refusal(world.reading(ListEvents)(a_principal(), OTHER, after=0, limit=1))).code == "not_found"
    assert (await refusal(world.reading(FindDeadLetter)(a_principal(), OTHER))).code == "not_found"
    assert (await refusal(world.reading(FindDeadLetter)(a_principal(), MESSAGE))).code == "not_found"


# --- lists ------------------------------------------------------------------------------------------------------------


async def test_a_list_asks_for_what_the_caller_wants_and_shows_where_to_go_on() -> None:
    world = World(a_row())
    wanted: dict[str, Any] = {
        "reference": "order-1",
        "template": "order_update",
        "created_after": NOON,
        "created_before": NOON + timedelta(days=1),
        "error_code": "1",
        "updated_after": NOON + timedelta(hours=1),
        "updated_before": NOON + timedelta(hours=2),
    }

    [view], next_after = await world.list(**wanted, statuses=frozenset({"queued", "read"}))

    states = (State.QUEUED, State.CLAIMED, State.READ)
    assert world.asked == [(MessageFilter(**wanted, states=states), OTHER, 7)]
    assert (view.to, next_after) == (ANA.value, MESSAGE)


async def test_a_person_is_found_under_every_name_they_are_known_by() -> None:
    world = World()
    canonical = index_of(CIPHER, "+5511987654321")
    world.contact_aliases.canonical[TENANT, Mode.LIVE, b"alias", Channel.WHATSAPP] = canonical

    await world.list(to="+5511987654321")

    [(wanted, _, _)] = world.asked
    assert set(wanted.recipient_indexes) == {b"alias", *indexes_of(CIPHER, "+5511987654321")}
    assert list(wanted.recipient_indexes) == sorted(wanted.recipient_indexes)


async def test_an_address_that_cannot_be_read_is_refused() -> None:
    refused = await refusal(World().list(to="nobody"))

    assert [(it.pointer, it.code) for it in refused.violations] == [("/to", "recipient_invalid")]


async def test_a_message_is_found_by_the_providers_id_the_newest_if_several_accounts_knew_it() -> None:
    accounts = (an_account(), an_account(id=AccountId(UUID(int=5))))
    world = World(a_row(), facts=a_snapshot(data_keys=DATA_KEYS, accounts=accounts))
    for account, id in zip(accounts, (MESSAGE, OTHER), strict=True):
        world.attempts[account.id, WAMID] = AttemptRef(key=MessageKey(TENANT, id), epoch=1)

    await world.list(provider_message_id=WAMID)
    nobody = await world.list(provider_message_id="wamid.unknown")

    assert [wanted.message_id for wanted, _, _ in world.asked] == [max(MESSAGE, OTHER)]
    assert nobody == ([], None)


async def test_a_timeline_is_read_by_the_page() -> None:
    world = World(a_row())
    world.event_rows = [an_event(seq) for seq in (1, 2, 3)]
    events = world.reading(ListEvents)

    first = await events(a_principal(), MESSAGE, after=0, limit=2)
    second = await events(a_principal(), MESSAGE, after=first.next_after, limit=2)

    assert [[it.seq for it in page.items] for page in (first, second)] == [[1, 2], [3]]
    assert (first.next_after, second.next_after, first.items[0].status) == (2, None, "queued")


async def test_dead_letters_are_read_by_the_page_and_one_by_one() -> None:
    world = World(a_row())
    world.letters = [a_letter(), a_letter(OTHER)]

    page = await world.reading(ListDeadLetters)(a_principal(), before=None, limit=1, open_only=True)

    assert ([it.message_id for it in page.items], page.next_after) == ([typeid(Prefix.MESSAGE, MESSAGE)], MESSAGE)
    assert world.asked == [(None, 2, True)]
    assert (await world.reading(FindDeadLetter)(a_principal(), MESSAGE)).code == "x"


def test_a_mail_is_shown_without_the_bytes_of_its_files_and_everything_else_as_it_was() -> None:
    file = Attachment(filename="invoice.pdf", content_type="application/pdf", content=b"%PDF-1.7")
    mail = Email(subject="Your invoice", text="See the file.", headers={"X-Order": "1"}, attachments=(file,))

    assert shown(a_template_message()) == a_template_message()
    assert shown(mail) == SentEmail(
        subject="Your invoice",
        text="See the file.",
        html=None,
        reply_to=None,
        headers={"X-Order": "1"},
        attachments=(AttachedFile(filename="invoice.pdf", content_type="application/pdf", bytes=8),),
    )
