"""A provider that does as it is told: its answers are scripted, because it is what misbehaves."""

from collections.abc import Awaitable, Callable, Sequence

from messaging.adapters.providers.whatsapp_cloud.credentials import of
from messaging.application.ports.providers.lookup import Sought
from messaging.application.ports.providers.numbers import ProviderNumber
from messaging.application.ports.providers.sending import Connection, NotStarted, Outgoing
from messaging.application.ports.providers.templates import ProviderTemplate
from messaging.domain.messages.receipts import Receipt
from messaging.domain.messages.retry import Scope, SendResult, Sent, Unavailable
from messaging.domain.templates.template import Template, TemplateStatus

TOKEN_REVOKED = Unavailable(code="190", reason="token revoked", scope=Scope.CREDENTIAL, http_status=401)

MayStart = Callable[[], Awaitable[bool]]
Answer = Callable[[Outgoing, MayStart], Awaitable[SendResult | NotStarted]]


class ScriptedAccount:
    """`histories` and `found` hold what is remembered of messages, by the provider's id and by our reference;
    `templates` and `numbers` are its own.
    """

    def __init__(self) -> None:
        self.histories: dict[str, Sequence[Receipt]] = {}
        self.found: dict[str, Sequence[Receipt]] = {}
        self.templates: list[ProviderTemplate] = []
        self.numbers: list[ProviderNumber] = []

    async def history(
        self, connection: Connection, sender_external_id: str, provider_message_id: str
    ) -> Sequence[Receipt]:
        return self.histories.get(provider_message_id, ())

    async def find(self, connection: Connection, sought: Sought) -> Sequence[Receipt]:
        return self.found.get(sought.reference, ())

    async def list_templates(self, connection: Connection) -> Sequence[ProviderTemplate]:
        return self.templates

    async def create_template(self, connection: Connection, template: Template) -> ProviderTemplate:
        created = ProviderTemplate(
            external_id=str(len(self.templates) + 1),
            name=template.name,
            language=template.language,
            category=template.category,
            parameter_format=template.parameter_format,
            components=template.components,
            status=TemplateStatus.PENDING,
        )
        self.templates.append(created)
        return created

    async def list_numbers(self, connection: Connection) -> Sequence[ProviderNumber]:
        return self.numbers


class ScriptedGateway(ScriptedAccount):
    """Answers with `answer`; by default every message is accepted at once. `sent` are those that got so far."""

    def __init__(self) -> None:
        super().__init__()
        self.answer: Answer = self.accept
        self.sent: list[Outgoing] = []

    async def send(self, outgoing: Outgoing, *, may_start: MayStart) -> SendResult | NotStarted:
        return await self.answer(outgoing, may_start)

    async def accept(self, outgoing: Outgoing, may_start: MayStart) -> SendResult | NotStarted:
        if not await may_start():
            return NotStarted()
        self.sent.append(outgoing)
        return Sent(provider_message_id=f"wamid.{len(self.sent)}.{outgoing.reference}")

    def started_then(self, result: SendResult) -> Answer:
        async def answer(outgoing: Outgoing, may_start: MayStart) -> SendResult | NotStarted:
            return result if await may_start() else NotStarted()

        return answer

    def by_token(self, revoked: str) -> Answer:
        """Meta's answer to a token that is not good any more; everything else is accepted."""

        async def answer(outgoing: Outgoing, may_start: MayStart) -> SendResult | NotStarted:
            if of(outgoing.connection.credentials).access_token != revoked:
                return await self.accept(outgoing, may_start)
            return await self.started_then(TOKEN_REVOKED)(outgoing, may_start)

        return answer
