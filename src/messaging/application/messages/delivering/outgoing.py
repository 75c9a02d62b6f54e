"""Renders a claimed message for its gateway: opens the payload, finds and re-checks account, sender and template."""

from collections.abc import Mapping
from datetime import timedelta

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from messaging.application.contacts.learn_aliases import Told
from messaging.application.messages.reading import payload
from messaging.application.messages.reading.holds import Hold, hold_by_sender, hold_by_template
from messaging.application.messages.reading.own_content import RenderPinned
from messaging.application.ports.contact_aliases import AliasSource
from messaging.application.ports.due_messages import Due
from messaging.application.ports.providers.sending import Connection, Outgoing, ProviderGateway
from messaging.application.ports.secrets import CannotDecrypt, KeyRing, TenantCipher
from messaging.application.ports.snapshots import Snapshots, TenantSnapshot
from messaging.application.ports.unit_of_work import StoreUnavailable
from messaging.application.tenants.accounts.connections import AccountCredentials
from messaging.domain.channels.addresses.identity import other_name
from messaging.domain.content.content import Content, TemplateMessage
from messaging.domain.content.parameters import Pin
from messaging.domain.messages import reference
from messaging.domain.messages.receipts import ProviderError
from messaging.domain.messages.retry import Sent
from messaging.domain.shared.errors import Violation
from messaging.domain.shared.ids import AccountId
from messaging.domain.templates.template import Template
from messaging.domain.templates.validation import find_template, send_violations
from messaging.domain.tenants.tenant import AccountStatus, ProviderAccount, TenantStatus

# A cause that a person can mend (a suspended tenant, a wrong master key) is checked again after this time.
_LATER = timedelta(seconds=60)
# The process that accepted a message may have had a newer configuration than this one, which follows within a second:
# contradictions are believed only after this time.
_LAG = timedelta(seconds=2)
_BELIEVED_FROM_CLAIM = 3


class Prepared(Struct, frozen=True):
    """A rendered message and the gateway of its provider."""

    provider: str
    gateway: ProviderGateway
    outgoing: Outgoing


class Unrenderable(Struct, frozen=True):
    """A message that cannot be rendered. Without `retry_after` no later try could succeed: it becomes a dead letter.
    With it, the message waits unchanged.
    """

    error: ProviderError
    retry_after: timedelta | None = None


class RenderOutgoing:
    """Renders messages, and repeats the checks of acceptance: templates may be paused and senders withdrawn since."""

    def __init__(
        self,
        *,
        snapshots: Snapshots,
        key_ring: KeyRing,
        credentials: AccountCredentials,
        gateways: Mapping[str, ProviderGateway],
        render_pinned: RenderPinned,
    ) -> None:
        self._snapshots = snapshots
        self._key_ring = key_ring
        self._credentials = credentials
        self._gateways = gateways
        self._render_pinned = render_pinned
        self._connections: dict[AccountId, tuple[ProviderAccount, Connection]] = {}

    async def __call__(self, due: Due, *, epoch: int) -> Prepared | Unrenderable:
        message = due.message
        try:
            facts = await self._snapshots.tenant(message.key.tenant_id)
        except StoreUnavailable:
            # Left to its lease, the message would count as a failure of its own.
            return _later("store_unavailable", "Its tenant's configuration cannot be read now.", timedelta(0))
        if facts is None:
            return _never("tenant_gone", "Its tenant does not exist any more.")
        if facts.tenant.status is not TenantStatus.ACTIVE:
            return _later("tenant_suspended", "Its tenant is suspended.")
        try:
            cipher = self._key_ring.cipher(message.key.tenant_id, facts.data_keys)
            packed = cipher.open(payload.context(message.key.message_id), due.sealed)
            opened = payload.decode(packed)
        except CannotDecrypt:
            return _later("undecryptable", "Its content does not open under the present master key.")
        except msgspec.DecodeError:
            return _never("unreadable", "Its stored content cannot be read.")
        if opened.pin is not None:
            content = await self._own(due, facts, opened, opened.pin)
            if isinstance(content, Unrenderable):
                return content
            opened = replace(opened, content=content)
        return self._assemble(due, epoch, facts, cipher, opened)

    async def _own(self, due: Due, facts: TenantSnapshot, opened: payload.Payload, pin: Pin) -> Content | Unrenderable:
        """What a message of the tenant's own template says. It was accepted, so it goes out with that version, also
        if the template has been archived since.
        """
        account = facts.accounts.get(due.message.account_id)
        if account is None:
            return _contradiction(due, "sender_gone", "Its sender does not exist any more.")
        try:
            content = await self._render_pinned(facts, account.mode, due.message.channel, opened, pin)
        except StoreUnavailable:
            return _later("store_unavailable", "Its template cannot be read now.", timedelta(0))
        if content is None:
            return _never(
                "template_gone", "The version of its template that it was accepted with does not exist any more."
            )
        return _never(content.code, content.detail) if isinstance(content, Violation) else content

    def _assemble(
        self, due: Due, epoch: int, facts: TenantSnapshot, cipher: TenantCipher, opened: payload.Payload
    ) -> Prepared | Unrenderable:
        message = due.message
        account = facts.accounts.get(message.account_id)
        sender = facts.senders.get(message.sender_id)
        if account is None or sender is None or account.status is AccountStatus.DELETED:
            return _contradiction(due, "sender_gone", "Its sender does not exist any more.")
        if (hold := hold_by_sender(account, sender)) is not None:
            return _held(hold)
        template = None
        if isinstance(opened.content, TemplateMessage):
            found = _template(opened.content, facts, due)
            if isinstance(found, Unrenderable):
                return found
            template = found
        try:
            connection = self._connection(account, cipher)
        except CannotDecrypt:
            return _later("undecryptable", "The account's credentials do not open under the present master key.")
        return Prepared(
            account.provider,
            self._gateways[account.provider],
            Outgoing(
                connection=connection,
                sender_external_id=sender.external_id,
                sender_address=sender.address,
                sender_name=sender.name,
                recipient=opened.to,
                content=opened.content,
                template=template,
                reference=reference.write(message.key.message_id, epoch, cipher.tag),
                valid_for=None if message.expires_at is None else message.expires_at - message.now,
            ),
        )

    def _connection(self, account: ProviderAccount, cipher: TenantCipher) -> Connection:
        """The account's opened credentials, cached: a snapshot holds the same object until the account changes."""
        opened = self._connections.get(account.id)
        if opened is None or opened[0] is not account:
            opened = self._connections[account.id] = (account, self._credentials.connect(account, cipher))
        return opened[1]


def told_by(answer: Sent, due: Due, outgoing: Outgoing) -> Told | None:
    """The alias that the provider's answer reports; None if it knows the person under the number it was given."""
    named = answer.recipient_id
    canonical = None if named is None else other_name(outgoing.recipient, named)
    if canonical is None:
        return None
    return Told(
        tenant_id=due.message.key.tenant_id,
        mode=outgoing.connection.mode,
        channel=due.message.channel,
        alias=outgoing.recipient.value,
        canonical=canonical,
        source=AliasSource.ANSWER,
    )


def _template(content: TemplateMessage, facts: TenantSnapshot, due: Due) -> Template | Unrenderable:
    template = find_template(facts.by_account.get(due.message.account_id, {}), content.name, content.language)
    if isinstance(template, Template) and (hold := hold_by_template(template)) is not None:
        return _held(hold)
    violations = (template,) if isinstance(template, Violation) else send_violations(template, content.parameters())
    if violations:
        return _contradiction(due, violations[0].code, violations[0].detail)
    assert not isinstance(template, Violation)
    return template


def _contradiction(due: Due, code: str, reason: str) -> Unrenderable:
    """The configuration says no to what was accepted under it."""
    if due.message.epoch + 1 < _BELIEVED_FROM_CLAIM:
        return Unrenderable(ProviderError(code=code, reason=reason), retry_after=_LAG)
    return _never(code, reason)


def _never(code: str, reason: str) -> Unrenderable:
    return Unrenderable(ProviderError(code=code, reason=reason))


def _later(code: str, reason: str, retry_after: timedelta = _LATER) -> Unrenderable:
    return Unrenderable(ProviderError(code=code, reason=reason), retry_after=retry_after)


def _held(hold: Hold) -> Unrenderable:
    return Unrenderable(ProviderError(code=hold.code, reason=hold.reason), retry_after=hold.look_after)
