"""Asks for work about templates: listing those of an account, and releasing the messages that one held."""

from datetime import timedelta
from typing import Final

from messaging.application import jobs
from messaging.application.ports.outbox import NewJob
from messaging.domain.shared.ids import AccountId, TenantId
from messaging.domain.shared.mode import Mode
from messaging.domain.templates.template import Template

# By then every process has seen the new status of the template, and a worker that was just holding a message back has
# recorded that.
_SEEN_EVERYWHERE: Final = timedelta(seconds=2)


def listing(
    tenant_id: TenantId,
    mode: Mode,
    account_id: AccountId,
    *,
    due_after: timedelta = timedelta(0),
    hasten: bool = True,
) -> NewJob:
    """One job per account, however often it is asked for."""
    return NewJob(
        tenant_id=tenant_id,
        mode=mode,
        job=jobs.SyncTemplates(account_id=account_id),
        due_after=due_after,
        unique_key=str(account_id),
        hasten=hasten,
    )


def release(template: Template, mode: Mode) -> NewJob:
    """Of the messages that are held because of this template."""
    return NewJob(
        tenant_id=template.tenant_id,
        mode=mode,
        job=jobs.ReleaseHeld(template_id=template.id),
        due_after=_SEEN_EVERYWHERE,
        unique_key=str(template.id),
    )
