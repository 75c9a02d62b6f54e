"""How does a test fill a real database? Through the same adapters as the application, tenant by tenant."""

import hashlib
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from messaging.adapters.postgres.messages.submissions import PostgresSubmissions
from messaging.adapters.postgres.session.engine import Engines
from messaging.adapters.postgres.unit_of_work import PostgresSystemUnitOfWorkFactory, PostgresUnitOfWorkFactory
from messaging.application.ports.due_messages import Due, DueMessages, View
from messaging.application.ports.platform import WrappedKey
from messaging.application.ports.submissions import Acceptance, Fingerprint, IdempotencyClaim, NewMessage, Stored
from messaging.application.wakeups import DeliverLane
from messaging.domain.messages.message_state import MessageKey
from messaging.domain.shared.ids import AccountId, MessageId, SenderId, TemplateId, TenantId
from messaging.domain.shared.mode import Mode
from tests import builders
from tests.builders import ACCOUNT, NOON, OTHER_TENANT, SENDER, TEMPLATE, TENANT

# The other tenant's own account, sender and template: the first tenant's ids with another tail.
OTHER_ACCOUNT = AccountId(UUID("019df2d9-4c00-7000-8000-000000000012"))
OTHER_SENDER = SenderId(UUID("019df2d9-4c00-7000-8000-000000000022"))
OTHER_TEMPLATE = TemplateId(UUID("019df2d9-4c00-7000-8000-000000000032"))


async def seed_tenant(
    engines: Engines,
    *,
    tenant_id: TenantId = TENANT,
    account_id: AccountId = ACCOUNT,
    sender_id: SenderId = SENDER,
    template_id: TemplateId = TEMPLATE,
) -> None:
    """A tenant with one data key, one account, one sender and one approved template."""
    async with PostgresSystemUnitOfWorkFactory(engines.system)() as system:
        key = WrappedKey(tenant_id=tenant_id, version=1, wrapped=b"wrapped")
        await system.platform.add_tenant(builders.a_tenant(id=tenant_id), key)
        await system.commit()
    own: dict[str, Any] = {"tenant_id": tenant_id}
    async with PostgresUnitOfWorkFactory(engines.app)(tenant_id, Mode.LIVE) as uow:
        token = f"wht_{account_id}"
        await uow.accounts.add_account(builders.an_account(id=account_id, webhook_token=token, **own))
        await uow.senders.add_sender(builders.a_sender(id=sender_id, account_id=account_id, **own))
        await uow.templates.add_template(builders.a_template(id=template_id, account_id=account_id, **own))
        await uow.commit()


async def seed_other_tenant(engines: Engines) -> None:
    await seed_tenant(
        engines,
        tenant_id=OTHER_TENANT,
        account_id=OTHER_ACCOUNT,
        sender_id=OTHER_SENDER,
        template_id=OTHER_TEMPLATE,
    )


def a_new_message(**changes: Any) -> NewMessage:
    """With a fresh id of now, unless told otherwise; the content is `b"sealed"`."""
    message = builders.a_message(**({"id": MessageId(uuid7())} | changes))
    index = hashlib.sha256(message.recipient.value.encode()).digest()
    return NewMessage(message=message, sealed=b"sealed", recipient_index=index)


async def lock_due(
    due_messages: DueMessages, lane: DeliverLane, *, quota: int = 100, sender: SenderId = SENDER
) -> Sequence[Due]:
    """Up to `quota` of each of the sender's flows."""
    flows = await due_messages.flows_due(lane, View(100, 100), concurrency=100, throttled=())
    return await due_messages.lock_due(lane, {flow: quota for flow in flows if flow.sender_id == sender})


def a_claim(key: str = "order-1042", **changes: Any) -> IdempotencyClaim:
    """Good for a long time, and answered with 202 and a small body."""
    fields: dict[str, Any] = {
        "key": key,
        "fingerprint": Fingerprint(b"fingerprint", b"digest"),
        "status": 202,
        "body": b'{"id":"msg_1"}',
        "expires_at": NOON.replace(year=2100),
    }
    return IdempotencyClaim(**(fields | changes))


def an_acceptance(
    *new: NewMessage,
    tenant_id: TenantId = TENANT,
    mode: Mode = Mode.LIVE,
    idempotency: IdempotencyClaim | None = None,
) -> Acceptance:
    """Of one new live message, unless told otherwise."""
    return Acceptance(tenant_id=tenant_id, mode=mode, messages=new or (a_new_message(),), idempotency=idempotency)


async def accept(engines: Engines, messages: Sequence[NewMessage]) -> Sequence[MessageKey]:
    """Store messages of any tenants, each as a request of its own."""
    batch = [an_acceptance(new, tenant_id=new.message.tenant_id, mode=new.message.mode) for new in messages]
    outcomes = await PostgresSubmissions(engines.app).accept_many(batch)
    assert all(isinstance(outcome, Stored) for outcome in outcomes)
    return [MessageKey(new.message.tenant_id, new.message.id) for new in messages]
