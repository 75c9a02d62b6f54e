"""What a claimed message looks like to the provider, and what is said where it cannot be sent."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from messaging.application.messages.delivering.outgoing import Prepared, RenderOutgoing, Unrenderable
from messaging.application.messages.reading import payload
from messaging.application.messages.reading.holds import SENDER_PAUSED, TEMPLATE_CHANGED, TEMPLATE_PAUSED
from messaging.application.messages.reading.own_content import RenderPinned
from messaging.application.ports.due_messages import Due
from messaging.application.ports.snapshots import TenantSnapshot
from messaging.application.tenants.accounts.connections import seal_credentials
from messaging.domain.channels.address import Channel
from messaging.domain.content.content import Content, TemplateMessage, Text
from messaging.domain.content.parameters import Pin
from messaging.domain.messages import reference
from messaging.domain.templates.own.definition import Parts
from messaging.domain.templates.template import TemplateStatus
from messaging.domain.tenants.tenant import AccountStatus, ProviderAccount, SenderStatus, TenantStatus
from tests.builders import (
    ANA,
    MESSAGE,
    NOON,
    OWN_TEMPLATE,
    PHONE_NUMBER_ID,
    TEMPLATE,
    a_definition,
    a_published_template,
    a_sender,
    a_snapshot,
    a_state,
    a_template,
    a_template_message,
    a_tenant,
    a_text,
    a_version,
    an_account,
)
from tests.fakes.gateway import ScriptedGateway
from tests.fakes.installed import CREDENTIALS_OF
from tests.fakes.own_templates import InMemoryOwnRoles
from tests.fakes.snapshots import InMemorySnapshots
from tests.unit.application.webhooks.doubles import CIPHER, CREDENTIALS, DATA_KEYS, KEY_RING

GATEWAYS = {"whatsapp_cloud": ScriptedGateway()}


def sealed(account: ProviderAccount | None = None, **changes: Any) -> ProviderAccount:
    """An account whose credentials are really encrypted."""
    account = account or an_account(**changes)
    return an_account(**changes, sealed_credentials=seal_credentials(account.id, CREDENTIALS, CIPHER))


def facts(**changes: Any) -> TenantSnapshot:
    return a_snapshot(**({"accounts": (sealed(),), "data_keys": DATA_KEYS} | changes))


def due(
    content: Content | None = None,
    *,
    epoch: int = 0,
    pin: Pin | None = None,
    channel: Channel = Channel.WHATSAPP,
) -> Due:
    """A message to Ana, claimed `epoch` times before."""
    packed = payload.encode(payload.Payload(to=ANA, content=content or a_template_message(), metadata={}, pin=pin))
    return Due(
        message=a_state(epoch=epoch, channel=channel),
        sealed=CIPHER.seal(payload.context(MESSAGE), packed),
        flow_id=TEMPLATE,
        recipient_index=b"",
    )


def renderer(snapshots: InMemorySnapshots, own: InMemoryOwnRoles | None = None) -> RenderOutgoing:
    return RenderOutgoing(
        credentials=CREDENTIALS_OF,
        snapshots=snapshots,
        key_ring=KEY_RING,
        gateways=GATEWAYS,
        render_pinned=RenderPinned(open_uow=(own or InMemoryOwnRoles()).open),
    )


async def rendered(
    known: TenantSnapshot | None, message: Due | None = None, own: InMemoryOwnRoles | None = None
) -> Prepared | Unrenderable:
    snapshots = InMemorySnapshots() if known is None else InMemorySnapshots(known)
    return await renderer(snapshots, own)(message or due(), epoch=1)


async def unrenderable(known: TenantSnapshot | None, message: Due | None = None) -> tuple[str, timedelta | None]:
    result = await rendered(known, message)
    assert isinstance(result, Unrenderable)
    return result.error.code, result.retry_after


async def test_all_that_a_send_needs_is_put_together() -> None:
    result = await rendered(facts())

    assert isinstance(result, Prepared)
    outgoing = result.outgoing
    assert (result.provider, outgoing.sender_external_id) == ("whatsapp_cloud", PHONE_NUMBER_ID)
    assert (outgoing.recipient, outgoing.content, outgoing.template) == (ANA, a_template_message(), a_template())
    assert outgoing.connection.credentials == CREDENTIALS
    echoed = reference.verify(outgoing.reference, CIPHER.tag)
    assert echoed is not None
    assert (echoed.message_id, echoed.epoch) == (MESSAGE, 1)


async def test_a_message_is_of_use_from_its_claim_to_its_expiry() -> None:
    ends = msgspec.structs.replace(a_state(), now=NOON, expires_at=NOON + timedelta(seconds=90))
    lasting, passing = await rendered(facts()), await rendered(facts(), msgspec.structs.replace(due(), message=ends))

    assert isinstance(lasting, Prepared)
    assert isinstance(passing, Prepared)
    assert (lasting.outgoing.valid_for, passing.outgoing.valid_for) == (None, timedelta(seconds=90))


async def test_free_text_has_no_template() -> None:
    result = await rendered(facts(), due(a_text()))

    assert isinstance(result, Prepared)
    assert (result.outgoing.content, result.outgoing.template) == (a_text(), None)


async def test_credentials_are_opened_once_until_the_account_changes() -> None:
    snapshots = InMemorySnapshots(facts())
    render = renderer(snapshots)
    connections = []
    for known in (facts(), None, facts(accounts=(sealed(external_id="7"),))):
        if known is not None:
            snapshots.tenants[known.tenant.id] = known
        result = await render(due(), epoch=1)
        assert isinstance(result, Prepared)
        connections.append(result.outgoing.connection)

    assert connections[0] is connections[1]
    assert (connections[0].external_id, connections[2].external_id) == (an_account().external_id, "7")


@pytest.mark.parametrize(
    ("known", "code", "seconds"),
    [
        (None, "tenant_gone", None),
        (facts(tenant=a_tenant(status=TenantStatus.SUSPENDED)), "tenant_suspended", 60),
        (facts(data_keys=()), "undecryptable", 60),
        (facts(accounts=(an_account(),)), "undecryptable", 60),
    ],
)
async def test_what_a_person_can_mend_is_looked_at_again(
    known: TenantSnapshot | None, code: str, seconds: int | None
) -> None:
    assert await unrenderable(known) == (code, None if seconds is None else timedelta(seconds=seconds))


async def test_content_that_no_release_understands_is_never_sent() -> None:
    message = due()
    garbled = Due(
        message=message.message,
        sealed=CIPHER.seal(payload.context(MESSAGE), b"\xc1"),
        flow_id=TEMPLATE,
        recipient_index=b"",
    )

    assert (await unrenderable(facts(), garbled))[1] is None


@pytest.mark.parametrize(
    ("known", "hold"),
    [
        (facts(senders=(a_sender(status=SenderStatus.PAUSED),)), SENDER_PAUSED),
        (facts(accounts=(sealed(status=AccountStatus.DISABLED),)), SENDER_PAUSED),
        (facts(templates=(a_template(status=TemplateStatus.PAUSED),)), TEMPLATE_PAUSED),
        (facts(templates=(a_template(changed_at=NOON),)), TEMPLATE_CHANGED),
    ],
)
async def test_what_is_held_waits_for_the_hold_to_end(known: TenantSnapshot, hold: Any) -> None:
    assert await unrenderable(known) == (hold.code, hold.look_after)


@pytest.mark.parametrize(
    ("known", "code"),
    [
        (facts(senders=()), "sender_gone"),
        (facts(accounts=()), "sender_gone"),
        (facts(accounts=(sealed(status=AccountStatus.DELETED),)), "sender_gone"),
        (facts(templates=()), "template_unknown"),
        (facts(templates=(a_template(status=TemplateStatus.REJECTED),)), "template_not_sendable"),
    ],
)
async def test_a_contradiction_to_what_was_accepted_is_believed_from_the_third_claim_on(
    known: TenantSnapshot, code: str
) -> None:
    """Until then it may only be that this process has not heard yet what the accepting one knew."""
    assert await unrenderable(known, due(epoch=0)) == (code, timedelta(seconds=2))
    assert await unrenderable(known, due(epoch=1)) == (code, timedelta(seconds=2))
    assert await unrenderable(known, due(epoch=2)) == (code, None)


OWN = Pin(template_id=OWN_TEMPLATE, version=1, language="de")
NAMED = TemplateMessage(name="order_shipped", language="de_AT", variables={"name": "Ana"})


def of_own(pin: Pin = OWN, content: TemplateMessage = NAMED) -> Due:
    """A message that was accepted with a template of the tenant's own."""
    return due(content, pin=pin, channel=Channel.SMS)


async def test_an_own_template_is_rendered_before_the_gateway_sees_it() -> None:
    result = await rendered(facts(own=(a_published_template(),)), of_own())

    assert isinstance(result, Prepared)
    assert (result.outgoing.content, result.outgoing.template) == (Text(body="Hallo Ana!"), None)


async def test_a_message_is_sent_with_the_version_it_was_accepted_with() -> None:
    newer = a_definition(variants={"en": Parts(body="New {{ name }}"), "de": Parts(body="Neu {{ name }}")})
    own = InMemoryOwnRoles()
    await own.own_versions.put_draft(OWN_TEMPLATE, a_version(published_at=NOON))
    # Superseded, and archived, which takes it out of the configuration.
    for known in (facts(own=(a_published_template(newer, version=2),)), facts()):
        result = await rendered(known, of_own(), own)

        assert isinstance(result, Prepared)
        assert result.outgoing.content == Text(body="Hallo Ana!")


async def test_an_earlier_version_is_read_once() -> None:
    own = InMemoryOwnRoles()
    await own.own_versions.put_draft(OWN_TEMPLATE, a_version(published_at=NOON))
    render = renderer(InMemorySnapshots(facts()), own)

    for language in ("de", "en"):
        pin = Pin(template_id=OWN_TEMPLATE, version=1, language=language)
        assert isinstance(await render(of_own(pin), epoch=1), Prepared)

    assert own.opened == 1


async def test_an_own_template_that_cannot_be_read_now_lets_its_message_wait() -> None:
    own = InMemoryOwnRoles()
    own.away = True

    result = await rendered(facts(), of_own(), own)

    assert isinstance(result, Unrenderable)
    assert (result.error.code, result.retry_after) == ("store_unavailable", timedelta(0))


async def test_an_own_version_that_is_gone_makes_a_dead_letter() -> None:
    assert await unrenderable(facts(), of_own()) == ("template_gone", None)
