"""What a provider told and what people wrote is read back by the page, and webhooks are processed once more."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from messaging.application.conversations import inbound_payload
from messaging.application.conversations.queries import ListInbound
from messaging.application.ports.attempts import AttemptRef
from messaging.application.ports.conversations import NewInbound
from messaging.application.ports.provider_events import NewProviderEvent, ProviderEventFilter
from messaging.application.webhooks import event_content
from messaging.application.webhooks.queries import LARGEST_LISTED, FindProviderEvent, ListProviderEvents
from messaging.application.webhooks.replay import ReplayWebhooks, TakeInConnected
from messaging.domain.messages.message_state import MessageKey
from messaging.domain.shared.errors import DomainError
from messaging.domain.shared.ids import AccountId, EventId, InboundId, Prefix, TenantId, WebhookId, typeid
from messaging.domain.shared.mode import Mode, Reach, TenantScope
from tests.builders import ACCOUNT, MESSAGE, NOON, SENDER, TENANT, WAMID, a_principal, a_snapshot, an_inbound_message
from tests.fakes.conversations import InMemoryConversations
from tests.fakes.provider_events import InMemoryProviderEvents
from tests.fakes.snapshots import InMemorySnapshots
from tests.unit.application.webhooks.doubles import CIPHER, DATA_KEYS, KEY_RING

ANY = ProviderEventFilter()


class World:
    """`asked` are the provider ids that were looked up among our messages; `aside` and `connected` can be replayed."""

    def __init__(self) -> None:
        self.provider_events = InMemoryProviderEvents({ACCOUNT: Mode.LIVE}, TenantScope(TENANT, Mode.LIVE))
        self.conversations = InMemoryConversations(TENANT)
        self.asked: list[tuple[AccountId, str]] = []
        self.aside = self.connected = 0
        self.commits = 0
        self.kept: Any = {
            "open_uow": self.open,
            "snapshots": InMemorySnapshots(a_snapshot(data_keys=DATA_KEYS)),
            "key_ring": KEY_RING,
        }

    @asynccontextmanager
    async def open(self, tenant_id: TenantId, mode: Reach) -> AsyncIterator[Any]:
        yield SimpleNamespace(provider_events=self.provider_events, conversations=self.conversations, attempts=self)

    @asynccontextmanager
    async def open_system(self) -> AsyncIterator[Any]:
        yield SimpleNamespace(raw_webhooks=self, commit=self._commit)

    async def _commit(self) -> None:
        self.commits += 1

    async def find(self, provider_ids: Sequence[tuple[AccountId, str]]) -> Mapping[tuple[AccountId, str], AttemptRef]:
        self.asked += provider_ids
        ours = (ACCOUNT, WAMID)
        return {ours: AttemptRef(key=MessageKey(TENANT, MESSAGE), epoch=1)} if ours in provider_ids else {}

    async def put_back(self, limit: int) -> int:
        return min(limit, self.aside)

    async def put_back_connected(self, limit: int) -> int:
        return min(limit, self.connected)

    async def told(self, number: int, *, size: int = 10) -> EventId:
        id = EventId(UUID(int=number))
        packed = event_content.pack({"number": number})
        event = NewProviderEvent(
            id=id,
            tenant_id=TENANT,
            account_id=ACCOUNT,
            webhook_id=WebhookId(UUID(int=1)),
            kind="account_update",
            sender_external_id=None,
            occurred_at=None,
            received_at=NOON,
            size=size,
            digest=id.bytes,
            sealed=event_content.seal(CIPHER, id, packed),
        )
        await self.provider_events.add([event])
        return id

    async def wrote(self, number: int, **changes: Any) -> None:
        id = InboundId(UUID(int=number))
        message = an_inbound_message(provider_message_id=f"wamid.{number}", **changes)
        new = NewInbound(
            id=id,
            tenant_id=TENANT,
            account_id=ACCOUNT,
            sender_id=SENDER,
            provider_message_id=message.provider_message_id,
            kind=message.kind,
            contact_indexes=(),
            sealed=inbound_payload.seal(CIPHER, id, message),
            occurred_at=NOON,
            opens_window=True,
        )
        await self.conversations.add_inbound([new])


async def test_events_are_listed_by_the_page_newest_first() -> None:
    world = World()
    for number in (1, 2):
        await world.told(number)
    listed = ListProviderEvents(**world.kept)

    first = await listed(a_principal(), ANY, before=None, limit=1)
    second = await listed(a_principal(), ANY, before=EventId(UUID(int=2)), limit=1)

    assert [[it.content for it in page.items] for page in (first, second)] == [[{"number": 2}], [{"number": 1}]]
    assert (first.next_after, second.next_after) == (UUID(int=2), None)
    assert not first.items[0].content_left_out


async def test_a_list_leaves_out_a_large_content_that_is_shown_alone() -> None:
    world = World()
    await world.told(1, size=LARGEST_LISTED)
    large = await world.told(2, size=LARGEST_LISTED + 1)

    page = await ListProviderEvents(**world.kept)(a_principal(), ANY, before=None, limit=5)
    alone = await FindProviderEvent(**world.kept)(a_principal(), large)

    shown = [(it.content, it.content_left_out, it.content_bytes - LARGEST_LISTED) for it in page.items]
    assert shown == [(None, True, 1), ({"number": 1}, False, 0)]
    assert (alone.content, alone.content_left_out) == ({"number": 2}, False)


async def test_an_event_that_is_not_there_is_not_found() -> None:
    with pytest.raises(DomainError) as refused:
        await FindProviderEvent(**World().kept)(a_principal(), EventId(UUID(int=9)))

    assert refused.value.code == "not_found"


async def test_an_answer_names_the_message_it_answers() -> None:
    world = World()
    await world.wrote(1, in_reply_to=WAMID)
    await world.wrote(2, in_reply_to="wamid.of.somebody.else")
    await world.wrote(3)
    listed = ListInbound(**world.kept)

    page = await listed(a_principal(), before=None, limit=5)

    ours = typeid(Prefix.MESSAGE, MESSAGE)
    assert [it.in_reply_to_message_id for it in page.items] == [None, None, ours]
    assert world.asked == sorted([(ACCOUNT, WAMID), (ACCOUNT, "wamid.of.somebody.else")])


async def test_nobody_looks_for_messages_where_nothing_was_answered() -> None:
    world = World()
    for number in (1, 2):
        await world.wrote(number)

    page = await ListInbound(**world.kept)(a_principal(), before=None, limit=1)

    assert (len(page.items), page.next_after, world.asked) == (1, UUID(int=2), [])
    assert page.items[0].occurred_at - NOON == timedelta(0)


@pytest.mark.parametrize(
    ("aside", "connected", "count"), [(0, 0, 0), (3, 0, 3), (0, 3, 3), (3, 4, 7), (9, 4, 10), (12, 4, 10)]
)
async def test_what_was_set_aside_is_replayed_before_what_was_written_to_unconnected_numbers(
    aside: int, connected: int, count: int
) -> None:
    world = World()
    world.aside, world.connected = aside, connected
    open_uow: Any = world.open_system

    assert await ReplayWebhooks(open_uow=open_uow)(10) == count
    assert await TakeInConnected(open_uow=open_uow)() == connected
    assert world.commits == 2
