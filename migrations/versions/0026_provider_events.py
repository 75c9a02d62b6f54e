"""What providers tell and what has no meaning here yet is kept as an event, with its kind and content."""

from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

TABLE = (
    # Few rows, compared with messages; they are purged one by one, as a table cut into weeks could not keep what was
    # told unique. An event outlives the webhook it came in by an hour at most, or the other way round.
    """
CREATE TABLE provider_events (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    account_id uuid NOT NULL,
    webhook_id uuid NOT NULL,
    occurred_at timestamptz,
    received_at timestamptz NOT NULL,
    size integer NOT NULL,
    mode text NOT NULL,
    kind text NOT NULL,
    sender_external_id text,
    digest bytea NOT NULL,
    sealed bytea NOT NULL,
    CONSTRAINT provider_events_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT provider_events_told_key UNIQUE (tenant_id, account_id, digest),
    CONSTRAINT provider_events_account_fkey FOREIGN KEY (tenant_id, account_id)
        REFERENCES provider_accounts (tenant_id, id),
    CONSTRAINT provider_events_mode_check CHECK (mode IN ('live', 'test')),
    CONSTRAINT provider_events_digest_check CHECK (octet_length(digest) = 32)
)
""",
    "CREATE INDEX provider_events_kind_idx ON provider_events (tenant_id, mode, kind, id)",
    "CREATE INDEX provider_events_account_idx ON provider_events (tenant_id, account_id, id)",
    "CREATE INDEX provider_events_received_idx ON provider_events (received_at)",
    # Looked into for every sender there is: what was written to it before it was one.
    """
CREATE INDEX provider_events_sender_unknown_idx ON provider_events (tenant_id, account_id, sender_external_id)
WHERE kind = 'sender_unknown'
""",
    "GRANT SELECT ON provider_events TO messaging_app",
    "GRANT SELECT, INSERT, DELETE ON provider_events TO messaging_system",
    "ALTER TABLE provider_events ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE provider_events FORCE ROW LEVEL SECURITY",
    """
CREATE POLICY own_tenant ON provider_events TO messaging_app
USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant())
""",
    "CREATE POLICY every_tenant ON provider_events TO messaging_system USING (true) WITH CHECK (true)",
)


def upgrade() -> None:
    connection = op.get_bind()
    for statement in TABLE:
        connection.exec_driver_sql(statement)
