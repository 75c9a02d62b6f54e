"""Converts rows of the configuration tables to domain values, and back."""

from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa
from sqlalchemy import Row

from messaging.application.ports.platform import WrappedKey
from messaging.domain.callbacks.endpoint import (
    CallbackEndpoint,
    CallbackSecret,
    DisabledReason,
    EndpointStatus,
    Include,
    Ordering,
)
from messaging.domain.channels.address import Channel
from messaging.domain.shared.ids import (
    AccountId,
    CallbackEndpointId,
    CallbackSecretId,
    KeyId,
    OwnTemplateId,
    RuleId,
    SenderId,
    TemplateId,
    TenantId,
)
from messaging.domain.shared.mode import Mode
from messaging.domain.shared.unclear import OnUnknown, UnclearByMode
from messaging.domain.templates.own.definition import Definition, OwnStatus, OwnTemplate, Version
from messaging.domain.templates.template import (
    Components,
    ParameterFormat,
    Template,
    TemplateCategory,
    TemplateStatus,
)
from messaging.domain.tenants.admin_key import AdminKey
from messaging.domain.tenants.limits import SubmissionLimits
from messaging.domain.tenants.routing import RoutingRule
from messaging.domain.tenants.tenant import (
    AccountStatus,
    ApiKey,
    KeyRole,
    ProviderAccount,
    Sender,
    SenderStatus,
    Tenant,
    TenantStatus,
)

AnyRow = Row[Any]


def to_tenant(row: AnyRow) -> Tenant:
    return Tenant(
        id=TenantId(row.id),
        name=row.name,
        status=TenantStatus(row.status),
        created_at=row.created_at,
        limits=msgspec.convert(row.limits, SubmissionLimits | None),
        on_unknown=msgspec.convert(row.on_unknown or {}, UnclearByMode),
    )


def from_tenant(tenant: Tenant) -> dict[str, object]:
    return _columns(tenant) | {"limits": as_json(tenant.limits), "on_unknown": as_json(tenant.on_unknown)}


def as_json(value: msgspec.Struct | None) -> object:
    """The value as JSON; SQL's NULL, not JSON's null, for a tenant that follows the platform's defaults."""
    return sa.null() if value is None else msgspec.to_builtins(value)


def to_data_key(row: AnyRow) -> WrappedKey:
    return WrappedKey(tenant_id=TenantId(row.tenant_id), version=row.version, wrapped=row.wrapped)


def to_admin_key(row: AnyRow) -> AdminKey:
    return AdminKey(
        id=KeyId(row.id),
        public_id=row.public_id,
        secret_sha256=row.secret_sha256,
        name=row.name,
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
    )


def from_admin_key(key: AdminKey) -> dict[str, object]:
    return _columns(key)


def to_key(row: AnyRow) -> ApiKey:
    return ApiKey(
        id=KeyId(row.id),
        tenant_id=TenantId(row.tenant_id),
        public_id=row.public_id,
        secret_sha256=row.secret_sha256,
        mode=Mode(row.mode),
        name=row.name,
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        role=KeyRole(row.role),
    )


def from_key(key: ApiKey) -> dict[str, object]:
    return _columns(key)


def to_account(row: AnyRow) -> ProviderAccount:
    return ProviderAccount(
        id=AccountId(row.id),
        tenant_id=TenantId(row.tenant_id),
        provider=row.provider,
        mode=Mode(row.mode),
        name=row.name,
        external_id=row.external_id,
        sealed_credentials=row.sealed_credentials,
        webhook_token=row.webhook_token,
        status=AccountStatus(row.status),
        created_at=row.created_at,
    )


def from_account(account: ProviderAccount) -> dict[str, object]:
    return _columns(account)


def to_sender(row: AnyRow) -> Sender:
    return Sender(
        id=SenderId(row.id),
        tenant_id=TenantId(row.tenant_id),
        account_id=AccountId(row.account_id),
        channel=Channel(row.channel),
        mode=Mode(row.mode),
        external_id=row.external_id,
        address=row.address,
        name=row.name,
        status=SenderStatus(row.status),
        created_at=row.created_at,
        per_second=row.per_second,
        rank=row.rank,
    )


def from_sender(sender: Sender) -> dict[str, object]:
    return _columns(sender)


def to_template(row: AnyRow) -> Template:
    return Template(
        id=TemplateId(row.id),
        tenant_id=TenantId(row.tenant_id),
        account_id=AccountId(row.account_id),
        name=row.name,
        language=row.language,
        category=TemplateCategory(row.category),
        parameter_format=ParameterFormat(row.parameter_format),
        components=msgspec.convert(row.components, Components),
        status=TemplateStatus(row.status),
        version=row.version,
        external_id=row.external_id,
        quality=row.quality,
        rejected_reason=row.rejected_reason,
        status_info=row.status_info,
        unsupported=tuple(row.unsupported),
        status_at=row.status_at,
        quality_at=row.quality_at,
        category_at=row.category_at,
        changed_at=row.changed_at,
        on_unknown=None if row.on_unknown is None else OnUnknown(row.on_unknown),
    )


def from_template(template: Template) -> dict[str, object]:
    return _columns(template) | {
        "components": msgspec.to_builtins(template.components),
        "unsupported": list(template.unsupported),
    }


def to_own_template(row: AnyRow) -> OwnTemplate:
    return OwnTemplate(
        id=OwnTemplateId(row.id),
        tenant_id=TenantId(row.tenant_id),
        mode=Mode(row.mode),
        name=row.name,
        channel=Channel(row.channel),
        category=TemplateCategory(row.category),
        status=OwnStatus(row.status),
        created_at=row.created_at,
        published=row.published,
    )


def from_own_template(template: OwnTemplate) -> dict[str, object]:
    return _columns(template)


def to_version(row: AnyRow) -> Version:
    return Version(
        number=row.number,
        definition=msgspec.convert(row.definition, Definition),
        created_at=row.created_at,
        published_at=row.published_at,
    )


def from_version(version: Version) -> dict[str, object]:
    return _columns(version) | {"definition": msgspec.to_builtins(version.definition)}


def to_rule(row: AnyRow) -> RoutingRule:
    return RoutingRule(
        id=RuleId(row.id),
        channel=Channel(row.channel),
        sender_id=SenderId(row.sender_id),
        prefixes=tuple(row.prefixes),
        position=row.position,
    )


def from_rule(rule: RoutingRule, tenant_id: UUID) -> dict[str, object]:
    return _columns(rule) | {"tenant_id": tenant_id, "prefixes": list(rule.prefixes)}


def to_endpoint(row: AnyRow) -> CallbackEndpoint:
    return CallbackEndpoint(
        id=CallbackEndpointId(row.id),
        tenant_id=TenantId(row.tenant_id),
        mode=Mode(row.mode),
        url_encrypted=row.url_encrypted,
        url_host=row.url_host,
        description=row.description,
        event_types=tuple(row.event_types),
        filters=row.filters,
        include=tuple(map(Include, row.include)),
        ordering=Ordering(row.ordering),
        status=EndpointStatus(row.status),
        disabled_reason=None if row.disabled_reason is None else DisabledReason(row.disabled_reason),
        max_in_flight=row.max_in_flight,
        rate=row.rate,
        headers_encrypted=row.headers_encrypted,
        api_version=row.api_version,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def from_endpoint(endpoint: CallbackEndpoint) -> dict[str, object]:
    lists = {"event_types": list(endpoint.event_types), "include": list(endpoint.include)}
    return _columns(endpoint) | lists | {"filters": dict(endpoint.filters)}


def to_secret(row: AnyRow) -> CallbackSecret:
    return CallbackSecret(
        endpoint_id=CallbackEndpointId(row.endpoint_id),
        id=CallbackSecretId(row.id),
        secret_encrypted=row.secret_encrypted,
        created_at=row.created_at,
        expires_at=row.expires_at,
    )


def from_secret(secret: CallbackSecret) -> dict[str, object]:
    return _columns(secret)


def _columns(value: msgspec.Struct) -> dict[str, object]:
    """The values of the columns; every field of these structs has the name of its column."""
    return msgspec.structs.asdict(value)
