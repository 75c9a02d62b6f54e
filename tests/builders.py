"""What does a valid one look like? Defaults that hold together; a test overrides only what it is about.

Ids are fixed and belong together: the sender is the account's, the account the tenant's, and so on.
"""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from messaging.application.ports.outbox import ClaimedJob
from messaging.application.ports.snapshots import TenantSnapshot
from messaging.domain.callbacks.endpoint import CallbackEndpoint, EndpointStatus, Ordering
from messaging.domain.channels.address import Channel, Phone, Recipient
from messaging.domain.content.content import Content, TemplateMessage, Text
from messaging.domain.conversations.inbound import InboundKind, InboundMessage
from messaging.domain.messages.message import Category, Message, Priority
from messaging.domain.messages.message_state import LastAttempt, MessageKey, MessageState, Outcome, Phase
from messaging.domain.messages.receipts import Receipt, ReceiptKind
from messaging.domain.messages.retry import DURABLE
from messaging.domain.messages.state import State
from messaging.domain.shared.ids import (
    AccountId,
    CallbackEndpointId,
    JobId,
    KeyId,
    MessageId,
    OwnTemplateId,
    RuleId,
    SenderId,
    TemplateId,
    TenantId,
)
from messaging.domain.shared.mode import Mode
from messaging.domain.shared.unclear import OnUnknown
from messaging.domain.templates.own.definition import (
    Definition,
    OwnStatus,
    OwnTemplate,
    Parameter,
    Parts,
    Published,
    Version,
)
from messaging.domain.templates.template import (
    Button,
    ButtonKind,
    Components,
    Header,
    HeaderFormat,
    ParameterFormat,
    Template,
    TemplateCategory,
    TemplateStatus,
)
from messaging.domain.tenants.admin_key import AdminKey
from messaging.domain.tenants.routing import RoutingRule
from messaging.domain.tenants.tenant import (
    AccountStatus,
    ApiKey,
    Principal,
    ProviderAccount,
    Sender,
    SenderStatus,
    Tenant,
    TenantStatus,
)

NOON = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
ANA = Phone("+14155552671")

# UUIDv7s of a few minutes before noon.
TENANT = TenantId(UUID("019df2d9-4c00-7000-8000-000000000001"))
OTHER_TENANT = TenantId(UUID("019df2d9-4c00-7000-8000-000000000002"))
ACCOUNT = AccountId(UUID("019df2d9-4c00-7000-8000-000000000011"))
SENDER = SenderId(UUID("019df2d9-4c00-7000-8000-000000000021"))
OWN_TEMPLATE = OwnTemplateId(UUID("019df2d9-4c00-7000-8000-000000000061"))
ENDPOINT = CallbackEndpointId(UUID("019df2d9-4c00-7000-8000-000000000071"))
TEMPLATE = TemplateId(UUID("019df2d9-4c00-7000-8000-000000000031"))
KEY = KeyId(UUID("019df2d9-4c00-7000-8000-000000000041"))
RULE = RuleId(UUID("019df2d9-4c00-7000-8000-000000000051"))
MESSAGE = MessageId(UUID("019df2d9-4c00-7000-8000-000000000061"))

PHONE_NUMBER_ID = "106540352242922"
WABA_ID = "102290129340398"
WAMID = "wamid.HBgLMTQxNTU1NTI2NzEVAgARGBI5QTNDQTVCM0Q0Q0Q2RTY3RTcA"


def a_tenant(**changes: Any) -> Tenant:
    fields: dict[str, Any] = {
        "id": TENANT,
        "name": "Northwind Outfitters",
        "status": TenantStatus.ACTIVE,
        "created_at": NOON,
    }
    return Tenant(**(fields | changes))


def a_principal(**changes: Any) -> Principal:
    fields: dict[str, Any] = {"tenant_id": TENANT, "key_id": KEY, "mode": Mode.LIVE}
    return Principal(**(fields | changes))


def an_api_key(**changes: Any) -> ApiKey:
    """The secret is `secret`."""
    fields: dict[str, Any] = {
        "id": KEY,
        "tenant_id": TENANT,
        "public_id": "k3yfzx2m7q4a",
        "secret_sha256": bytes.fromhex("2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"),
        "mode": Mode.LIVE,
        "name": "shop backend",
        "created_at": NOON,
    }
    return ApiKey(**(fields | changes))


def an_admin_key(**changes: Any) -> AdminKey:
    """The secret is `secret`."""
    fields: dict[str, Any] = {
        "id": KEY,
        "public_id": "k3yfzx2m7q4a",
        "secret_sha256": hashlib.sha256(b"secret").digest(),
        "name": "Ana",
        "created_at": NOON,
    }
    return AdminKey(**(fields | changes))


def an_account(**changes: Any) -> ProviderAccount:
    fields: dict[str, Any] = {
        "id": ACCOUNT,
        "tenant_id": TENANT,
        "provider": "whatsapp_cloud",
        "mode": Mode.LIVE,
        "name": "Northwind on WhatsApp",
        "external_id": WABA_ID,
        "sealed_credentials": b"sealed",
        "webhook_token": "wht_4f2a9c61d8b74e0fa35b",
        "status": AccountStatus.ACTIVE,
        "created_at": NOON,
    }
    return ProviderAccount(**(fields | changes))


def a_sender(**changes: Any) -> Sender:
    fields: dict[str, Any] = {
        "id": SENDER,
        "tenant_id": TENANT,
        "account_id": ACCOUNT,
        "channel": Channel.WHATSAPP,
        "mode": Mode.LIVE,
        "external_id": PHONE_NUMBER_ID,
        "address": "+15550783881",
        "name": "Northwind",
        "status": SenderStatus.ACTIVE,
        "created_at": NOON,
        "per_second": 80,
    }
    return Sender(**(fields | changes))


def a_rule(**changes: Any) -> RoutingRule:
    fields: dict[str, Any] = {"id": RULE, "channel": Channel.WHATSAPP, "sender_id": SENDER}
    return RoutingRule(**(fields | changes))


def components(**changes: Any) -> Components:
    """Two positional variables in the body and nothing else."""
    fields: dict[str, Any] = {
        "body": "Hello {{1}}, your order {{2}} has shipped today.",
        "examples": {"1": "Ana", "2": "A-1042"},
    }
    return Components(**(fields | changes))


def rich_components(**changes: Any) -> Components:
    """An image header, two positional variables, a URL button with a suffix (0) and a quick reply (1)."""
    fields: dict[str, Any] = {
        "header": Header(format=HeaderFormat.IMAGE, example="4::aW1hZ2UvanBlZw=="),
        "footer": "Northwind Outfitters",
        "buttons": (
            Button(kind=ButtonKind.URL, text="Track", url="https://northwind.example/t/{{1}}", example="abc"),
            Button(kind=ButtonKind.QUICK_REPLY, text="Stop updates"),
        ),
    }
    return components(**(fields | changes))


def a_template(**changes: Any) -> Template:
    fields: dict[str, Any] = {
        "id": TEMPLATE,
        "tenant_id": TENANT,
        "account_id": ACCOUNT,
        "name": "order_update",
        "language": "en_US",
        "category": TemplateCategory.UTILITY,
        "parameter_format": ParameterFormat.POSITIONAL,
        "components": components(),
        "status": TemplateStatus.APPROVED,
        "external_id": "1407680676729941",
    }
    return Template(**(fields | changes))


def a_text(**changes: Any) -> Text:
    fields: dict[str, Any] = {"body": "Your order is on its way."}
    return Text(**(fields | changes))


def a_template_message(**changes: Any) -> TemplateMessage:
    """What `a_template()` needs."""
    fields: dict[str, Any] = {
        "name": "order_update",
        "language": "en_US",
        "variables": {"1": "Ana", "2": "A-1042"},
    }
    return TemplateMessage(**(fields | changes))


def a_message(
    *, recipient: Recipient = ANA, content: Content | None = None, state: State = State.QUEUED, **changes: Any
) -> Message:
    """A template message to Ana, queued at noon."""
    fields: dict[str, Any] = {
        "id": MESSAGE,
        "tenant_id": TENANT,
        "mode": Mode.LIVE,
        "channel": Channel.WHATSAPP,
        "account_id": ACCOUNT,
        "sender_id": SENDER,
        "template_id": TEMPLATE if content is None else None,
        "category": Category.UTILITY,
        "priority": Priority.DEFAULT,
        "on_unknown": OnUnknown.HOLD,
        "policy": DURABLE.name,
        "reference": None,
        "metadata": {},
        "send_at": None,
        "expires_at": None,
        "created_at": NOON,
    }
    return Message(
        recipient=recipient,
        content=a_template_message() if content is None else content,
        state=state,
        **(fields | changes),
    )


def an_attempt(**changes: Any) -> LastAttempt:
    """The first attempt, claimed by worker `w1` whose lease is live."""
    fields: dict[str, Any] = {
        "epoch": 1,
        "phase": Phase.CLAIMED,
        "outcome": None,
        "lease_owner": "w1",
        "lease_live": True,
    }
    return LastAttempt(**(fields | changes))


# The attempt that belongs to a state when nothing else is said: (phase, outcome).
_ATTEMPT_OF: dict[State, tuple[Phase, Outcome | None]] = {
    State.CLAIMED: (Phase.CLAIMED, None),
    State.SENDING: (Phase.STARTED, None),
    State.UNKNOWN: (Phase.UNKNOWN, Outcome.UNKNOWN),
    State.UNCONFIRMED: (Phase.UNKNOWN, Outcome.UNKNOWN),
    State.SUBMITTED: (Phase.CLOSED, Outcome.ACCEPTED),
    State.SENT: (Phase.CLOSED, Outcome.ACCEPTED),
    State.DELIVERED: (Phase.CLOSED, Outcome.ACCEPTED),
    State.READ: (Phase.CLOSED, Outcome.ACCEPTED),
    State.FAILED: (Phase.CLOSED, Outcome.REJECTED),
    State.DEAD: (Phase.CLOSED, Outcome.UNAVAILABLE),
}

# A try is counted when the message leaves `sending`.
_UNTRIED = frozenset({State.SCHEDULED, State.QUEUED, State.CLAIMED, State.SENDING, State.EXPIRED, State.CANCELLED})


def a_state(state: State = State.QUEUED, **changes: Any) -> MessageState:
    """A message's state at noon; a state that implies an attempt gets the fitting one, epoch 1, worker `w1`."""
    implied = _ATTEMPT_OF.get(state)
    fields: dict[str, Any] = {
        "key": MessageKey(TENANT, MESSAGE),
        "state": state,
        "seq": 1,
        "epoch": 0 if implied is None else 1,
        "attempts": 0 if state in _UNTRIED else 1,
        "checks": 0,
        "claim_failures": 0,
        "channel": Channel.WHATSAPP,
        "priority": Priority.DEFAULT,
        "category": Category.UTILITY,
        "policy": DURABLE.name,
        "on_unknown": OnUnknown.HOLD,
        "account_id": ACCOUNT,
        "sender_id": SENDER,
        "expires_at": None,
        "attempt": None if implied is None else an_attempt(phase=implied[0], outcome=implied[1]),
        "now": NOON,
    }
    return MessageState(**(fields | changes))


def a_receipt(kind: ReceiptKind = ReceiptKind.DELIVERED, **changes: Any) -> Receipt:
    fields: dict[str, Any] = {
        "kind": kind,
        "sender_external_id": PHONE_NUMBER_ID,
        "provider_message_id": WAMID,
        "occurred_at": NOON + timedelta(seconds=3),
        "recipient_ids": ("14155552671",),
    }
    return Receipt(**(fields | changes))


def an_inbound_message(**changes: Any) -> InboundMessage:
    fields: dict[str, Any] = {
        "sender_external_id": PHONE_NUMBER_ID,
        "provider_message_id": "wamid.HBgLMTQxNTU1NTI2NzEVAgASGBQzQTdCNTg5RjY1MDdGN0YzMDAA",
        "kind": InboundKind.TEXT,
        "provider_kind": "text",
        "occurred_at": NOON,
        "phone": "+14155552671",
        "user_id": None,
        "profile_name": "Ana",
        "text": "Where is my order?",
        "payload": {"type": "text", "text": {"body": "Where is my order?"}},
    }
    return InboundMessage(**(fields | changes))


def an_own_template(**changes: Any) -> OwnTemplate:
    """For SMS, without a published version."""
    fields: dict[str, Any] = {
        "id": OWN_TEMPLATE,
        "tenant_id": TENANT,
        "mode": Mode.LIVE,
        "name": "order_shipped",
        "channel": Channel.SMS,
        "category": TemplateCategory.UTILITY,
        "status": OwnStatus.ACTIVE,
        "created_at": NOON,
    }
    return OwnTemplate(**(fields | changes))


def a_definition(**changes: Any) -> Definition:
    """Greets one person, in English or German."""
    fields: dict[str, Any] = {
        "default_language": "en",
        "variants": {"en": Parts(body="Hi {{ name }}, it has shipped."), "de": Parts(body="Hallo {{ name }}!")},
        "parameters": (Parameter(name="name"),),
    }
    return Definition(**(fields | changes))


def a_version(**changes: Any) -> Version:
    """The first draft."""
    fields: dict[str, Any] = {"number": 1, "definition": a_definition(), "created_at": NOON}
    return Version(**(fields | changes))


def a_published_template(definition: Definition | None = None, version: int = 1, **changes: Any) -> Published:
    template = an_own_template(published=version, **changes)
    return Published(template=template, version=version, definition=definition or a_definition())


def an_endpoint(**changes: Any) -> CallbackEndpoint:
    """Hears of everything in live mode; its address is not really encrypted."""
    fields: dict[str, Any] = {
        "id": ENDPOINT,
        "tenant_id": TENANT,
        "mode": Mode.LIVE,
        "url_encrypted": b"https://hooks.example/m",
        "url_host": "hooks.example",
        "description": "",
        "event_types": ("*",),
        "filters": {},
        "include": (),
        "ordering": Ordering.PER_SUBJECT,
        "status": EndpointStatus.ENABLED,
        "disabled_reason": None,
        "max_in_flight": 4,
        "rate": None,
        "headers_encrypted": None,
        "api_version": "2026-11",
        "created_at": NOON,
        "updated_at": NOON,
    }
    return CallbackEndpoint(**(fields | changes))


def a_snapshot(
    *,
    senders: tuple[Sender, ...] | None = None,
    accounts: tuple[ProviderAccount, ...] | None = None,
    templates: tuple[Template, ...] | None = None,
    **changes: Any,
) -> TenantSnapshot:
    """A tenant with one account, one sender and one approved template, unless told otherwise."""
    by_account: dict[AccountId, dict[tuple[str, str], Template]] = {}
    for template in (a_template(),) if templates is None else templates:
        by_account.setdefault(template.account_id, {})[template.name, template.language] = template
    fields: dict[str, Any] = {"version": 1, "tenant": a_tenant(), "rules": (), "data_keys": ()}
    return TenantSnapshot(
        accounts={account.id: account for account in ((an_account(),) if accounts is None else accounts)},
        senders={sender.id: sender for sender in ((a_sender(),) if senders is None else senders)},
        by_account=by_account,
        **(fields | changes),
    )


def a_claimed_job(**changes: Any) -> ClaimedJob:
    """Claimed at noon, a minute after it was asked for."""
    fields: dict[str, Any] = {
        "id": JobId(UUID("019df2d9-4c00-7000-8000-0000000000b1")),
        "tenant_id": TENANT,
        "mode": Mode.LIVE,
        "kind": "sync_templates",
        "payload": "{}",
        "epoch": 1,
        "attempts": 0,
        "unfinished": 0,
        "wanted_at": NOON - timedelta(minutes=1),
        "claimed_at": NOON,
    }
    return ClaimedJob(**(fields | changes))
