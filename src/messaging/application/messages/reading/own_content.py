"""Renders what a message accepted with a tenant's own template says, by the version it was accepted with."""

from collections import OrderedDict
from typing import Final

from msgspec.structs import replace

from messaging.application.messages.reading.payload import Payload
from messaging.application.ports.snapshots import TenantSnapshot
from messaging.application.ports.unit_of_work import OpenOwnTemplates
from messaging.domain.channels.address import Channel
from messaging.domain.content.content import Content, TemplateMessage
from messaging.domain.content.parameters import Pin
from messaging.domain.shared.errors import Violation
from messaging.domain.shared.ids import TenantId
from messaging.domain.shared.mode import Mode
from messaging.domain.templates.own.definition import Definition
from messaging.domain.templates.own.rendering import Rendered, render

# Superseded versions held in memory, of 128 KiB at most.
_MOST_HELD: Final = 64


class RenderPinned:
    """The version that is sent now is in the configuration; an earlier one, which never changes, is read once."""

    def __init__(self, *, open_uow: OpenOwnTemplates) -> None:
        self._open = open_uow
        self._held: OrderedDict[Pin, Definition] = OrderedDict()

    async def __call__(
        self, facts: TenantSnapshot, mode: Mode, channel: Channel, opened: Payload, pin: Pin
    ) -> Content | Violation | None:
        """What is handed to the provider; None if the version does not exist any more. Raises StoreUnavailable."""
        definition = facts.own_definition(pin) or await self._earlier(facts.tenant.id, mode, pin)
        if definition is None or not isinstance(opened.content, TemplateMessage):
            return None
        rendered = render(channel, definition, pin.language, opened.content.variables)
        return rendered.content() if isinstance(rendered, Rendered) else rendered[0]

    async def _earlier(self, tenant_id: TenantId, mode: Mode, pin: Pin) -> Definition | None:
        key = replace(pin, language="")
        if (held := self._held.get(key)) is not None:
            self._held.move_to_end(key)
            return held
        async with self._open(tenant_id, mode) as uow:
            version = await uow.own_versions.version(pin.template_id, pin.version)
        if version is None:
            return None
        self._held[key] = version.definition
        while len(self._held) > _MOST_HELD:
            self._held.popitem(last=False)
        return version.definition
