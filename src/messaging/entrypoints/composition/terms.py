"""Converts settings to the values that adapters and use cases take."""

from datetime import timedelta

from messaging.application.messages.delivering.delivery_terms import DeliveryTerms
from messaging.application.messages.pacing.rate_limiting import LimitTerms
from messaging.application.messages.resolving.resolve_unknown import UnclearTerms
from messaging.application.messages.tracking.poll_status import CheckTerms
from messaging.application.ports.health import Retention
from messaging.domain.messages.message import ECHO_GRACE
from messaging.domain.messages.transitions.lifecycle import EchoGrace
from messaging.domain.messages.transitions.negative_evidence import NegativeEvidenceRule
from messaging.domain.tenants.limits import Quota, SubmissionLimits
from messaging.domain.tenants.quotas import ConfigurationQuotas
from messaging.entrypoints.http_server.bounds import HttpBounds
from messaging.entrypoints.settings.settings import Settings
from messaging.entrypoints.settings.values import RetentionDays


def master_key(settings: Settings) -> bytes:
    return settings.master_key.as_bytes


def delivery(settings: Settings, worker: str) -> DeliveryTerms:
    return DeliveryTerms(
        worker=worker,
        lease=timedelta(seconds=settings.claim_lease_seconds),
        sending_lease=timedelta(seconds=settings.sending_lease_seconds),
        grace=grace(settings),
        check_every=check_every(settings),
    )


def provider_limits(settings: Settings) -> LimitTerms:
    return LimitTerms(
        share=settings.rate_limit_share,
        tenant=settings.tenant_per_second,
        account=settings.account_per_second,
        flow=settings.flow_per_second,
    )


def grace(settings: Settings) -> EchoGrace:
    if settings.echo_grace_seconds is None:
        return ECHO_GRACE
    return dict.fromkeys(ECHO_GRACE, timedelta(seconds=settings.echo_grace_seconds))


def check_every(settings: Settings) -> timedelta:
    return timedelta(seconds=settings.check_every_seconds)


def checks(settings: Settings) -> CheckTerms:
    return CheckTerms(every=check_every(settings), per_hour=settings.history_requests_per_hour)


def template_sync_every(settings: Settings) -> timedelta:
    return timedelta(seconds=settings.template_sync_seconds)


def negative_evidence_rule(settings: Settings) -> NegativeEvidenceRule:
    return NegativeEvidenceRule(
        later_receipts=settings.resend_min_later_receipts,
        margin=timedelta(seconds=settings.resend_clock_margin_seconds),
    )


def unclear(settings: Settings) -> UnclearTerms:
    rule, every = negative_evidence_rule(settings), check_every(settings)
    lease = timedelta(seconds=settings.sending_lease_seconds)
    return UnclearTerms(grace=grace(settings), sending_lease=lease, rule=rule, check_every=every)


def retention(settings: Settings) -> Retention:
    return Retention(messages=_days(settings.retention_days), raw_webhooks=_days(settings.webhook_retention_days))


def submission_limits(settings: Settings) -> SubmissionLimits:
    return SubmissionLimits(
        tenant=_per_minute(settings.tenant_messages_per_minute), key=_per_minute(settings.key_messages_per_minute)
    )


def _days(days: RetentionDays) -> timedelta | None:
    return timedelta(days=days.value) if days.value else None


def _per_minute(messages: int) -> Quota | None:
    return Quota(messages=messages, seconds=60) if messages else None


def configuration_quotas(settings: Settings) -> ConfigurationQuotas:
    return ConfigurationQuotas(
        accounts=settings.tenant_accounts,
        senders=settings.tenant_senders,
        templates=settings.tenant_templates,
        own_templates=settings.tenant_own_templates,
        keys=settings.tenant_keys,
        endpoints=settings.tenant_callback_endpoints,
        test_endpoints=settings.tenant_test_callback_endpoints,
    )


def http_bounds(settings: Settings) -> HttpBounds:
    """The limits of one HTTP listener."""
    return HttpBounds(
        connections=settings.http_connections,
        header_lines=settings.http_header_lines,
        head_bytes=settings.http_head_bytes,
        head_seconds=settings.http_head_seconds,
        body_seconds=settings.http_body_seconds,
        idle_seconds=settings.http_idle_seconds,
    )
