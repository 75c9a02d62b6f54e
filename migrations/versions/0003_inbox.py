"""What comes in: raw callbacks, receipts that arrived too early, people's messages and the windows they open."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

CALLBACKS = (
    """
CREATE TABLE raw_callbacks (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    account_id uuid NOT NULL,
    received_at timestamptz NOT NULL,
    processed_at timestamptz,
    provider text NOT NULL,
    status text NOT NULL,
    problem text,
    digest bytea NOT NULL,
    sealed bytea NOT NULL,
    CONSTRAINT raw_callbacks_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT raw_callbacks_account_fkey FOREIGN KEY (tenant_id, account_id)
        REFERENCES provider_accounts (tenant_id, id),
    CONSTRAINT raw_callbacks_status_check CHECK (status IN ('stored', 'processed', 'set_aside')),
    CONSTRAINT raw_callbacks_problem_check CHECK ((status = 'set_aside') = (problem IS NOT NULL)),
    CONSTRAINT raw_callbacks_digest_check CHECK (octet_length(digest) = 32)
) PARTITION BY RANGE (id)
""",
    # A table partitioned by time cannot keep a digest unique; this narrow one can, and is purged by age.
    """
CREATE TABLE callback_digests (
    tenant_id uuid NOT NULL,
    account_id uuid NOT NULL,
    received_at timestamptz NOT NULL,
    digest bytea NOT NULL,
    CONSTRAINT callback_digests_pkey PRIMARY KEY (tenant_id, account_id, digest)
)
""",
    "CREATE INDEX callback_digests_received_idx ON callback_digests (received_at)",
    """
CREATE TABLE parked_receipts (
    tenant_id uuid NOT NULL,
    account_id uuid NOT NULL,
    parked_at timestamptz NOT NULL,
    next_look_at timestamptz NOT NULL,
    tries integer NOT NULL,
    provider_message_id text NOT NULL,
    digest bytea NOT NULL,
    receipt bytea NOT NULL,
    CONSTRAINT parked_receipts_pkey PRIMARY KEY (tenant_id, account_id, provider_message_id, digest),
    CONSTRAINT parked_receipts_account_fkey FOREIGN KEY (tenant_id, account_id)
        REFERENCES provider_accounts (tenant_id, id)
)
""",
    "CREATE INDEX parked_receipts_provider_message_idx ON parked_receipts (account_id, provider_message_id)",
    "CREATE INDEX parked_receipts_next_look_idx ON parked_receipts (next_look_at)",
)

CONVERSATIONS = (
    """
CREATE TABLE inbound_messages (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    account_id uuid NOT NULL,
    sender_id uuid NOT NULL,
    occurred_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    provider_message_id text NOT NULL,
    kind text NOT NULL,
    sealed bytea NOT NULL,
    CONSTRAINT inbound_messages_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT inbound_messages_provider_key UNIQUE (tenant_id, sender_id, provider_message_id),
    CONSTRAINT inbound_messages_sender_fkey FOREIGN KEY (tenant_id, account_id, sender_id)
        REFERENCES senders (tenant_id, account_id, id)
)
""",
    """
CREATE TABLE service_windows (
    tenant_id uuid NOT NULL,
    sender_id uuid NOT NULL,
    last_inbound_at timestamptz NOT NULL,
    contact_index bytea NOT NULL,
    CONSTRAINT service_windows_pkey PRIMARY KEY (tenant_id, sender_id, contact_index),
    CONSTRAINT service_windows_sender_fkey FOREIGN KEY (tenant_id, sender_id) REFERENCES senders (tenant_id, id)
) WITH (fillfactor = 80)
""",
)

GRANTS = (
    "GRANT SELECT, INSERT ON raw_callbacks TO messaging_system",
    "GRANT UPDATE (status, problem, processed_at) ON raw_callbacks TO messaging_system",
    "GRANT SELECT, INSERT, DELETE ON callback_digests TO messaging_system",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON parked_receipts TO messaging_system",
    "GRANT SELECT, INSERT ON inbound_messages, service_windows TO messaging_app, messaging_system",
    "GRANT UPDATE (last_inbound_at) ON service_windows TO messaging_app, messaging_system",
)

ROW_SECURITY = """
DO $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['raw_callbacks', 'callback_digests', 'parked_receipts', 'inbound_messages',
                             'service_windows'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY own_tenant ON %I TO messaging_app '
                       'USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant())', t);
        EXECUTE format('CREATE POLICY every_tenant ON %I TO messaging_system USING (true) WITH CHECK (true)', t);
    END LOOP;
    CREATE TABLE raw_callbacks_default PARTITION OF raw_callbacks DEFAULT;
    PERFORM prepare_partition('raw_callbacks', 'raw_callbacks_default');
    PERFORM ensure_partitions();
END
$$
"""


def upgrade() -> None:
    connection = op.get_bind()
    for statement in (*CALLBACKS, *CONVERSATIONS, *GRANTS, ROW_SECURITY):
        connection.exec_driver_sql(statement)
