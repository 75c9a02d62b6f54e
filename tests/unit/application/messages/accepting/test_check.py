"""A check tells what would become of a message, with everything that is wrong, and stores nothing."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from messaging.application.contacts.indexes import index_of
from messaging.application.messages.accepting.assess import Submission, Unreadable
from messaging.application.messages.accepting.check import CheckMessage, CheckView
from messaging.application.ports.conversations import NewInbound
from messaging.domain.channels.address import Channel
from messaging.domain.content.segments import Segments, SmsEncoding
from messaging.domain.conversations.inbound import InboundKind
from messaging.domain.shared.errors import MAX_LISTED, DomainError, Violation
from messaging.domain.shared.ids import InboundId, Prefix, TenantId, typeid
from messaging.domain.shared.mode import Mode, Reach
from messaging.domain.shared.unclear import OnUnknown
from tests.builders import (
    ACCOUNT,
    ANA,
    NOON,
    OTHER_TENANT,
    SENDER,
    TENANT,
    a_principal,
    a_sender,
    a_snapshot,
    a_template,
    a_template_message,
    a_text,
    components,
)
from tests.fakes.clock import FixedClock, SequentialIds
from tests.fakes.snapshots import InMemorySnapshots
from tests.unit.application.messages.accepting.submitting import Told, a_submission
from tests.unit.application.webhooks.doubles import CIPHER, DATA_KEYS, KEY_RING

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


class Checking:
    """`opened` are the tenants and modes whose conversations were looked at."""

    def __init__(self, **facts: Any) -> None:
        self.inbound: list[NewInbound] = []
        self.opened: list[tuple[TenantId, Reach]] = []
        open_uow: Any = self._open
        self.check = CheckMessage(
            snapshots=InMemorySnapshots(a_snapshot(data_keys=DATA_KEYS, **facts)),
            key_ring=KEY_RING,
            open_uow=open_uow,
            clock=FixedClock(),
            new_id=SequentialIds(),
        )

    async def __call__(self, submission: Submission | Unreadable) -> CheckView:
        return await self.check(a_principal(), submission)

    def hears_from_ana(self, ago: timedelta) -> None:
        heard = NewInbound(
            id=InboundId(TENANT),
            tenant_id=TENANT,
            account_id=ACCOUNT,
            sender_id=SENDER,
            provider_message_id="wamid.in",
            kind=InboundKind.TEXT,
            contact_indexes=(index_of(CIPHER, ANA.value),),
            sealed=b"",
            opens_window=True,
            occurred_at=NOON - ago,
        )
        self.inbound.append(heard)

    @asynccontextmanager
    async def _open(self, tenant_id: TenantId, mode: Reach) -> AsyncIterator[Told]:
        self.opened.append((tenant_id, mode))
        yield Told(tenant_id, self.inbound)


async def test_a_template_message_is_shown_as_it_would_be_sent() -> None:
    checking = Checking()

    view = await checking(a_submission())

    assert view == CheckView(
        would_send=True,
        to=ANA.value,
        sender=typeid(Prefix.SENDER, SENDER),
        content="template order_update (en_US)",
        preview="Hello Ana, your order A-1042 has shipped today.",
        category="utility",
        priority="default",
        retry_policy="durable",
        on_unknown=OnUnknown.HOLD,
        window="not_needed",
        first_status="queued",
    )
    assert checking.opened == []


async def test_a_text_message_tells_into_how_many_segments_it_is_cut() -> None:
    facts = {"senders": (a_sender(channel=Channel.SMS),)}

    plain = await Checking(**facts)(a_submission(channel=Channel.SMS, content=a_text(body="a" * 161)))
    emoji = await Checking(**facts)(a_submission(channel=Channel.SMS, content=a_text(body="a" * 161 + "😀")))

    assert (plain.window, plain.segments) == ("not_needed", Segments(encoding=SmsEncoding.GSM_7, segments=2, units=161))
    assert emoji.segments == Segments(encoding=SmsEncoding.UCS_2, segments=3, units=163, not_gsm=("😀",))
    assert (await Checking()(a_submission(content=a_text()))).segments is None


async def test_a_message_for_later_would_be_scheduled() -> None:
    view = await Checking()(a_submission(send_at=NOON + HOUR, expires_at=NOON + DAY))

    assert (view.first_status, view.send_at, view.expires_at) == ("scheduled", NOON + HOUR, NOON + DAY)


@pytest.mark.parametrize(
    ("heard", "window", "codes"),
    [(HOUR, "open", []), (DAY + HOUR, "closed", ["window_closed"]), (None, "closed", ["window_closed"])],
    ids=["lately", "long ago", "never"],
)
async def test_a_text_needs_a_person_who_wrote_within_a_day(
    heard: timedelta | None, window: str, codes: list[str]
) -> None:
    checking = Checking()
    if heard is not None:
        checking.hears_from_ana(heard)

    view = await checking(a_submission(content=a_text()))

    assert (view.would_send, view.window) == (not codes, window)
    assert [error.code for error in view.errors] == codes
    assert (view.content, view.preview, view.category) == ("text", None, "service")
    assert checking.opened == [(TENANT, Mode.LIVE)]


async def test_everything_that_is_wrong_is_told_at_once() -> None:
    view = await Checking()(a_submission(to="nobody", content=a_template_message(variables={})))

    assert view.would_send is False
    assert [it.pointer for it in view.errors] == ["/to", "/content/variables/1", "/content/variables/2"]
    assert (view.to, view.window, view.first_status) == (None, None, None)


async def test_of_very_many_violations_a_hundred_are_listed() -> None:
    body = " ".join(f"a{{{{{number}}}}}" for number in range(1, MAX_LISTED + 5))
    long = a_template(components=components(body=body, examples={}))

    view = await Checking(templates=(long,))(a_submission(content=a_template_message(variables={})))

    assert len(view.errors) == MAX_LISTED


async def test_a_submission_whose_shape_is_wrong_is_refused() -> None:
    wrong = Violation(pointer="/to", code="missing", detail="Name a recipient.")

    with pytest.raises(DomainError) as refused:
        await Checking()(Unreadable(violations=(wrong,)))

    assert (refused.value.code, refused.value.violations) == ("validation_failed", (wrong,))


async def test_the_key_of_a_tenant_that_is_gone_opens_nothing() -> None:
    with pytest.raises(DomainError) as refused:
        await Checking().check(a_principal(tenant_id=OTHER_TENANT), a_submission())

    assert refused.value.code == "unauthorized"
