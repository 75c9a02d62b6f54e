"""Tells a tenant's endpoints of what people wrote; who wrote and what is added at the fan-out, for those who ask."""

from messaging.application.ports.callbacks.announcements import Announcement, SubjectKind
from messaging.application.ports.conversations import NewInbound
from messaging.application.ports.snapshots import TenantSnapshot
from messaging.domain.conversations.inbound import InboundKind, InboundMessage
from messaging.domain.shared.ids import Prefix, typeid


def told_of(new: NewInbound, message: InboundMessage, facts: TenantSnapshot) -> Announcement | None:
    """The event of a stored message; None if its account was deleted meanwhile: then nobody knows its mode."""
    sender, account = facts.senders.get(new.sender_id), facts.accounts.get(new.account_id)
    if account is None:
        return None
    is_reaction = message.kind is InboundKind.REACTION
    return Announcement(
        tenant_id=new.tenant_id,
        mode=account.mode,
        kind=SubjectKind.INBOUND,
        subject_id=new.id,
        type="inbound.reaction" if is_reaction else "inbound.received",
        occurred_at=new.occurred_at,
        data={
            "id": typeid(Prefix.INBOUND, new.id),
            # Null for a sender that was added less than a second ago.
            "channel": None if sender is None else sender.channel.value,
            "kind": message.kind.value,
            "sender_id": typeid(Prefix.SENDER, new.sender_id),
            "account_id": typeid(Prefix.ACCOUNT, new.account_id),
            "provider_message_id": new.provider_message_id,
            "in_reply_to": message.in_reply_to,
        },
    )
