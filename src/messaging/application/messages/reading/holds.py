"""Reasons that hold an accepted message back: its sender is switched off, or its template may not be sent.

Delivery asks before a send, and whoever reads a waiting message is told the same reason.
"""

from datetime import timedelta

from msgspec import Struct

from messaging.application.ports.snapshots import TenantSnapshot
from messaging.domain.content.content import Content, TemplateMessage
from messaging.domain.shared.ids import AccountId, SenderId
from messaging.domain.templates.template import Template, TemplateStatus
from messaging.domain.tenants.tenant import AccountStatus, ProviderAccount, Sender, SenderStatus


class Hold(Struct, frozen=True):
    """A reason to hold a message back. `look_after` is when to check again, if nothing reports earlier that it has
    ended.
    """

    code: str
    reason: str
    look_after: timedelta


# A person switches senders on and off, so they are checked again after this time.
SENDER_PAUSED = Hold("sender_paused", "Its sender or provider account is switched off.", timedelta(seconds=60))
# A report that the template is approved releases the messages (see `release_held`); this interval is for lost reports.
TEMPLATE_PAUSED = Hold("template_paused", "The provider has paused its template.", timedelta(minutes=10))
TEMPLATE_CHANGED = Hold(
    "template_changed", "Its template was changed at the provider and is being read anew.", timedelta(seconds=60)
)


def hold_by_sender(account: ProviderAccount, sender: Sender) -> Hold | None:
    active = account.status is AccountStatus.ACTIVE and sender.status is SenderStatus.ACTIVE
    return None if active else SENDER_PAUSED


def hold_by_template(template: Template) -> Hold | None:
    if template.status is TemplateStatus.PAUSED:
        return TEMPLATE_PAUSED
    return None if template.changed_at is None else TEMPLATE_CHANGED


def hold_of(facts: TenantSnapshot, account_id: AccountId, sender_id: SenderId, content: Content) -> Hold | None:
    """The reason that holds a waiting message of this sender back, by the configuration; None if there is none."""
    account, sender = facts.accounts.get(account_id), facts.senders.get(sender_id)
    if account is None or sender is None:
        return None
    hold = hold_by_sender(account, sender)
    if hold is None and isinstance(content, TemplateMessage):
        template = facts.templates_of(account_id).get((content.name, content.language))
        hold = None if template is None else hold_by_template(template)
    return hold
