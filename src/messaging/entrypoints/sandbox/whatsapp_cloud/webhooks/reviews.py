"""The review of a submitted template, and the statuses that an operator gives it."""

import asyncio
import time

import msgspec

from messaging.entrypoints.sandbox.core.webhooks import Webhooks
from messaging.entrypoints.sandbox.core.wire import Json
from messaging.entrypoints.sandbox.whatsapp_cloud.templates.templates import Template, Templates
from messaging.entrypoints.sandbox.whatsapp_cloud.webhooks.envelopes import (
    components_event,
    quality_event,
    template_event,
)
from messaging.entrypoints.sandbox.whatsapp_cloud.webhooks.events import Event, Events


class Reviews:
    """Ends reviews when they are due and announces every change of a template."""

    def __init__(self, templates: Templates, events: Events, webhooks: Webhooks) -> None:
        self._templates = templates
        self._events = events
        self._webhooks = webhooks
        self._announcing: set[asyncio.Task[None]] = set()

    def schedule(self, template: Template) -> None:
        """End the template's review at the time it carries."""
        if template.review_due_at is not None:
            self._webhooks.at(template.review_due_at, lambda: self._finish(template.id))

    def resume(self) -> None:
        """After a start: take up the reviews under way."""
        for template in self._templates.under_review():
            self.schedule(template)

    def set_status(self, template: Template, status: str, reason: str) -> None:
        """Give a template a status, as Meta might at any time, and announce it."""
        changed = msgspec.structs.replace(
            template, status=status, rejected_reason=reason, review_due_at=None, rewritten=False
        )
        self._templates.put(changed)
        self._announce(changed, "message_template_status_update", template_event(changed, status))

    def set_quality(self, template: Template, quality: str) -> None:
        """Give a template a quality score and announce it."""
        changed = msgspec.structs.replace(template, quality=quality)
        self._templates.put(changed)
        self._announce(changed, "message_template_quality_update", quality_event(changed, template.quality))

    async def close(self) -> None:
        """Wait for announcements that are being written."""
        await asyncio.gather(*self._announcing, return_exceptions=True)

    def _finish(self, template_id: str) -> None:
        template = self._templates.get(template_id)
        if template is None or template.review_due_at is None or template.review_due_at > time.time():
            return  # deleted, or edited and back in review since
        verdict = template.verdict()
        if verdict == "PENDING":
            self._templates.put(msgspec.structs.replace(template, review_due_at=None))
            return
        self.set_status(template, verdict, "INVALID_FORMAT" if verdict == "REJECTED" else "NONE")
        if template.rewritten and verdict == "APPROVED":
            self._announce(template, "message_template_components_update", components_event(template))

    def _announce(self, template: Template, field: str, value: Json) -> None:
        event = Event(at=time.time(), waba_id=template.waba_id, field=field, item=value)
        task = asyncio.create_task(self._events.add(event))
        self._announcing.add(task)
        task.add_done_callback(self._announcing.discard)
