"""Remembered answers: which idempotency keys were used, with what request, and what was replied."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# `scope` is the tenant, or the nil UUID for the platform's own surface. Not partitioned by time: a partitioned table
# could not keep a key unique. A record without status is a reservation, good until `lease_until`.
TABLES = (
    """
CREATE TABLE idempotency_keys (
    scope uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz NOT NULL,
    lease_until timestamptz,
    status integer,
    key text NOT NULL,
    fingerprint bytea NOT NULL,
    body bytea,
    CONSTRAINT idempotency_keys_pkey PRIMARY KEY (scope, key),
    CONSTRAINT idempotency_keys_answer_check CHECK ((status IS NULL) = (body IS NULL)),
    CONSTRAINT idempotency_keys_lease_check CHECK (status IS NOT NULL OR lease_until IS NOT NULL)
) WITH (autovacuum_vacuum_insert_scale_factor = 0.1)
""",
    "CREATE INDEX idempotency_keys_expires_idx ON idempotency_keys (expires_at)",
)

GRANTS = (
    "GRANT SELECT, INSERT, UPDATE ON idempotency_keys TO messaging_app",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON idempotency_keys TO messaging_system",
)

ROW_SECURITY = (
    "ALTER TABLE idempotency_keys ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE idempotency_keys FORCE ROW LEVEL SECURITY",
    """
CREATE POLICY own_tenant ON idempotency_keys TO messaging_app
USING (scope = current_tenant()) WITH CHECK (scope = current_tenant())
""",
    "CREATE POLICY every_tenant ON idempotency_keys TO messaging_system USING (true) WITH CHECK (true)",
)


def upgrade() -> None:
    connection = op.get_bind()
    for statement in (*TABLES, *GRANTS, *ROW_SECURITY):
        connection.exec_driver_sql(statement)
