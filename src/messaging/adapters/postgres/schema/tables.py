"""The configuration tables as SQLAlchemy Core declares them; migrations make them, and a test compares the two.

Only tables that are read and written through SQLAlchemy Core are declared here. The big tables (messages, attempts,
events, dispatches) are touched by set-based statements alone, which are written beside the code that runs them.
"""

from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA, JSONB, TIMESTAMP, UUID

from messaging.domain.channels.address import Channel

metadata = sa.MetaData()

_AT: Final = TIMESTAMP(timezone=True)


def _required(name: str, type_: sa.types.TypeEngine[Any], default: str | None = None) -> sa.Column[Any]:
    return sa.Column(name, type_, nullable=False, server_default=None if default is None else sa.text(default))


def _optional(name: str, type_: sa.types.TypeEngine[Any]) -> sa.Column[Any]:
    return sa.Column(name, type_, nullable=True)


def _one_of(table: str, column: str, *values: str) -> sa.CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return sa.CheckConstraint(f"{column} IN ({listed})", name=f"{table}_{column}_check")


def _key(table: str, *columns: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint(*columns, name=f"{table}_pkey")


def _refers(name: str, columns: tuple[str, ...], target: str, targets: tuple[str, ...]) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(columns, [f"{target}.{column}" for column in targets], name=name)


tenants = sa.Table(
    "tenants",
    metadata,
    _required("id", UUID()),
    _required("name", sa.Text()),
    _required("status", sa.Text()),
    _required("created_at", _AT),
    _optional("limits", JSONB()),
    _optional("on_unknown", JSONB()),
    _key("tenants", "id"),
    _one_of("tenants", "status", "active", "suspended"),
)

data_keys = sa.Table(
    "data_keys",
    metadata,
    _required("tenant_id", UUID()),
    _required("version", sa.Integer()),
    _required("wrapped", BYTEA()),
    _required("created_at", _AT, "clock_timestamp()"),
    _key("data_keys", "tenant_id", "version"),
    _refers("data_keys_tenant_fkey", ("tenant_id",), "tenants", ("id",)),
)

api_keys = sa.Table(
    "api_keys",
    metadata,
    _required("tenant_id", UUID()),
    _required("id", UUID()),
    _required("public_id", sa.Text()),
    _required("secret_sha256", BYTEA()),
    _required("mode", sa.Text()),
    _required("name", sa.Text()),
    _required("created_at", _AT),
    _optional("expires_at", _AT),
    _optional("revoked_at", _AT),
    _required("role", sa.Text(), "'owner'"),
    _key("api_keys", "tenant_id", "id"),
    sa.UniqueConstraint("public_id", name="api_keys_public_id_key"),
    _refers("api_keys_tenant_fkey", ("tenant_id",), "tenants", ("id",)),
    _one_of("api_keys", "mode", "live", "test"),
    _one_of("api_keys", "role", "owner", "operator", "sender", "reader"),
    sa.CheckConstraint("octet_length(secret_sha256) = 32", name="api_keys_secret_check"),
)

admin_keys = sa.Table(
    "admin_keys",
    metadata,
    _required("id", UUID()),
    _required("public_id", sa.Text()),
    _required("secret_sha256", BYTEA()),
    _required("name", sa.Text()),
    _required("created_at", _AT),
    _optional("revoked_at", _AT),
    _optional("expires_at", _AT),
    _key("admin_keys", "id"),
    sa.UniqueConstraint("public_id", name="admin_keys_public_id_key"),
    sa.CheckConstraint("octet_length(secret_sha256) = 32", name="admin_keys_secret_check"),
)

provider_accounts = sa.Table(
    "provider_accounts",
    metadata,
    _required("tenant_id", UUID()),
    _required("id", UUID()),
    _required("provider", sa.Text()),
    _required("mode", sa.Text()),
    _required("name", sa.Text()),
    _required("external_id", sa.Text()),
    _required("sealed_credentials", BYTEA()),
    _required("webhook_token", sa.Text()),
    _required("status", sa.Text()),
    _required("created_at", _AT),
    _optional("templates_listed_at", _AT),
    _key("provider_accounts", "tenant_id", "id"),
    sa.UniqueConstraint("webhook_token", name="provider_accounts_webhook_token_key"),
    sa.UniqueConstraint("id", name="provider_accounts_id_key"),
    _refers("provider_accounts_tenant_fkey", ("tenant_id",), "tenants", ("id",)),
    _one_of("provider_accounts", "mode", "live", "test"),
    _one_of("provider_accounts", "status", "active", "disabled", "deleted"),
)

incidents = sa.Table(
    "incidents",
    metadata,
    _required("id", UUID()),
    _required("title", sa.Text()),
    _required("impact", sa.Text()),
    _required("components", ARRAY(sa.Text())),
    _required("updates", JSONB()),
    _required("drafted_at", _AT),
    _required("status", sa.Text()),
    _optional("published_at", _AT),
    _optional("resolved_at", _AT),
    _optional("post_mortem", sa.Text()),
    _optional("post_mortem_at", _AT),
    _key("incidents", "id"),
    _one_of("incidents", "impact", "degraded", "outage"),
    _one_of("incidents", "status", "draft", "published", "resolved"),
    sa.CheckConstraint("(status = 'resolved') = (resolved_at IS NOT NULL)", name="incidents_resolved_check"),
)

senders = sa.Table(
    "senders",
    metadata,
    _required("tenant_id", UUID()),
    _required("id", UUID()),
    _required("account_id", UUID()),
    _required("channel", sa.Text()),
    _required("mode", sa.Text()),
    _required("external_id", sa.Text()),
    _required("address", sa.Text()),
    _required("name", sa.Text()),
    _required("status", sa.Text()),
    _required("created_at", _AT),
    _required("per_second", sa.Integer()),
    _required("rank", sa.Integer()),
    _key("senders", "tenant_id", "id"),
    sa.UniqueConstraint("tenant_id", "account_id", "id", name="senders_account_key"),
    sa.UniqueConstraint("tenant_id", "account_id", "external_id", name="senders_external_key"),
    _refers("senders_account_fkey", ("tenant_id", "account_id"), "provider_accounts", ("tenant_id", "id")),
    _one_of("senders", "channel", *Channel),
    _one_of("senders", "mode", "live", "test"),
    _one_of("senders", "status", "active", "paused"),
    sa.CheckConstraint("per_second > 0", name="senders_per_second_check"),
)

templates = sa.Table(
    "templates",
    metadata,
    _required("tenant_id", UUID()),
    _required("id", UUID()),
    _required("account_id", UUID()),
    _required("name", sa.Text()),
    _required("language", sa.Text()),
    _required("category", sa.Text()),
    _required("parameter_format", sa.Text()),
    _required("components", JSONB()),
    _required("status", sa.Text()),
    _required("version", sa.Integer()),
    _optional("external_id", sa.Text()),
    _optional("quality", sa.Text()),
    _optional("rejected_reason", sa.Text()),
    _required("status_info", JSONB(), "'{}'::jsonb"),
    _required("unsupported", ARRAY(sa.Text()), "'{}'::text[]"),
    _optional("status_at", _AT),
    _optional("quality_at", _AT),
    _optional("category_at", _AT),
    _optional("changed_at", _AT),
    _optional("on_unknown", sa.Text()),
    _key("templates", "tenant_id", "id"),
    sa.UniqueConstraint("tenant_id", "account_id", "id", name="templates_account_key"),
    sa.UniqueConstraint("tenant_id", "account_id", "name", "language", name="templates_name_key"),
    _refers("templates_account_fkey", ("tenant_id", "account_id"), "provider_accounts", ("tenant_id", "id")),
    _one_of("templates", "category", "authentication", "marketing", "utility"),
    _one_of("templates", "parameter_format", "positional", "named"),
    _one_of("templates", "on_unknown", "hold", "resend"),
    _one_of(
        *("templates", "status"),
        *("pending", "approved", "rejected", "paused", "disabled", "archived", "deleted", "other"),
    ),
    sa.Index(
        "templates_external_idx", "account_id", "external_id", postgresql_where=sa.text("external_id IS NOT NULL")
    ),
)

own_templates = sa.Table(
    "own_templates",
    metadata,
    _required("tenant_id", UUID()),
    _required("id", UUID()),
    _required("mode", sa.Text()),
    _required("name", sa.Text()),
    _required("channel", sa.Text()),
    _required("category", sa.Text()),
    _required("status", sa.Text()),
    _required("created_at", _AT),
    _optional("published", sa.Integer()),
    _key("own_templates", "tenant_id", "id"),
    _refers("own_templates_tenant_fkey", ("tenant_id",), "tenants", ("id",)),
    _one_of("own_templates", "mode", "live", "test"),
    _one_of("own_templates", "channel", "sms", "email"),
    _one_of("own_templates", "category", "authentication", "marketing", "utility"),
    _one_of("own_templates", "status", "active", "archived"),
    sa.Index(
        *("own_templates_name_key", "tenant_id", "mode", "channel", "name"),
        unique=True,
        postgresql_where=sa.text("status = 'active'"),
    ),
)

own_template_versions = sa.Table(
    "own_template_versions",
    metadata,
    _required("tenant_id", UUID()),
    _required("template_id", UUID()),
    _required("number", sa.Integer()),
    _required("definition", JSONB()),
    _required("created_at", _AT),
    _optional("published_at", _AT),
    _key("own_template_versions", "tenant_id", "template_id", "number"),
    _refers("own_template_versions_template_fkey", ("tenant_id", "template_id"), "own_templates", ("tenant_id", "id")),
    sa.CheckConstraint("number > 0", name="own_template_versions_number_check"),
    sa.Index(
        *("own_template_versions_draft_key", "tenant_id", "template_id"),
        unique=True,
        postgresql_where=sa.text("published_at IS NULL"),
    ),
)

routing_rules = sa.Table(
    "routing_rules",
    metadata,
    _required("tenant_id", UUID()),
    _required("id", UUID()),
    _required("channel", sa.Text()),
    _required("sender_id", UUID()),
    _required("prefixes", ARRAY(sa.Text())),
    _required("position", sa.Integer()),
    _key("routing_rules", "tenant_id", "id"),
    _refers("routing_rules_sender_fkey", ("tenant_id", "sender_id"), "senders", ("tenant_id", "id")),
    _one_of("routing_rules", "channel", *Channel),
)

callback_endpoints = sa.Table(
    "callback_endpoints",
    metadata,
    _required("tenant_id", UUID()),
    _required("id", UUID()),
    _required("mode", sa.Text()),
    _optional("url_encrypted", BYTEA()),
    _optional("url_host", sa.Text()),
    _required("description", sa.Text()),
    _required("event_types", ARRAY(sa.Text())),
    _required("filters", JSONB()),
    _required("include", ARRAY(sa.Text())),
    _required("ordering", sa.Text()),
    _required("status", sa.Text()),
    _optional("disabled_reason", sa.Text()),
    _required("max_in_flight", sa.Integer()),
    _optional("rate", sa.Integer()),
    _optional("headers_encrypted", BYTEA()),
    _required("api_version", sa.Text()),
    _required("created_at", _AT),
    _required("updated_at", _AT),
    _key("callback_endpoints", "tenant_id", "id"),
    _refers("callback_endpoints_tenant_fkey", ("tenant_id",), "tenants", ("id",)),
    _one_of("callback_endpoints", "mode", "live", "test"),
    _one_of("callback_endpoints", "ordering", "per_subject", "none"),
    _one_of("callback_endpoints", "status", "enabled", "paused", "disabled", "deleted"),
    _one_of("callback_endpoints", "disabled_reason", "failing", "gone", "policy"),
    sa.CheckConstraint("(url_encrypted IS NULL) = (url_host IS NULL)", name="callback_endpoints_url_check"),
    sa.CheckConstraint("(status = 'disabled') = (disabled_reason IS NOT NULL)", name="callback_endpoints_reason_check"),
    sa.CheckConstraint("max_in_flight BETWEEN 1 AND 32", name="callback_endpoints_max_in_flight_check"),
    sa.CheckConstraint("rate > 0", name="callback_endpoints_rate_check"),
)

callback_secrets = sa.Table(
    "callback_secrets",
    metadata,
    _required("tenant_id", UUID()),
    _required("endpoint_id", UUID()),
    _required("id", UUID()),
    _required("secret_encrypted", BYTEA()),
    _required("created_at", _AT),
    _optional("expires_at", _AT),
    _key("callback_secrets", "tenant_id", "endpoint_id", "id"),
    _refers("callback_secrets_endpoint_fkey", ("tenant_id", "endpoint_id"), "callback_endpoints", ("tenant_id", "id")),
    sa.Index(
        *("callback_secrets_current_key", "tenant_id", "endpoint_id"),
        unique=True,
        postgresql_where=sa.text("expires_at IS NULL"),
    ),
    sa.Index("callback_secrets_expires_idx", "expires_at", postgresql_where=sa.text("expires_at IS NOT NULL")),
)

config_versions = sa.Table(
    "config_versions",
    metadata,
    _required("tenant_id", UUID()),
    _required("version", sa.BigInteger()),
    _required("changed_at", _AT),
    _required("changed_xid", sa.BigInteger()),
    _key("config_versions", "tenant_id"),
    sa.Index("config_versions_changed_idx", "changed_xid"),
)
