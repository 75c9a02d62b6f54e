"""How many messages each tenant has had, counted afterwards by one worker at a time."""

from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None

TABLES = (
    """
CREATE TABLE tenant_totals (
    tenant_id uuid NOT NULL,
    mode text NOT NULL,
    channel text NOT NULL,
    state text NOT NULL,
    messages bigint NOT NULL,
    CONSTRAINT tenant_totals_pkey PRIMARY KEY (tenant_id, mode, channel, state),
    CONSTRAINT tenant_totals_tenant_fkey FOREIGN KEY (tenant_id) REFERENCES tenants (id),
    CONSTRAINT tenant_totals_mode_check CHECK (mode IN ('live', 'test'))
) WITH (fillfactor = 50)
""",
    # One row: who counts, and up to when messages have been counted.
    """
CREATE TABLE tenant_counting (
    one boolean NOT NULL DEFAULT true,
    counted_until timestamptz NOT NULL,
    leads_until timestamptz NOT NULL,
    leader text NOT NULL,
    CONSTRAINT tenant_counting_pkey PRIMARY KEY (one),
    CONSTRAINT tenant_counting_one_check CHECK (one)
) WITH (fillfactor = 50)
""",
    "ALTER TABLE tenant_totals ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE tenant_totals FORCE ROW LEVEL SECURITY",
    """
CREATE POLICY own_tenant ON tenant_totals TO messaging_app USING (tenant_id = current_tenant() AND in_mode(mode))
    WITH CHECK (tenant_id = current_tenant() AND in_mode(mode))
""",
    "CREATE POLICY every_tenant ON tenant_totals TO messaging_system USING (true) WITH CHECK (true)",
    "GRANT SELECT, INSERT, UPDATE ON tenant_totals TO messaging_system",
    "GRANT SELECT, INSERT, UPDATE ON tenant_counting TO messaging_system",
)


def upgrade() -> None:
    connection = op.get_bind()
    for statement in TABLES:
        connection.exec_driver_sql(statement)
