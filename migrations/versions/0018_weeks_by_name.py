"""The platform's role may enter a week by its own name: what moves a message opens one week in place of all."""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

# What it may do there is what it may do in the whole table (0002), neither more nor less. Tenants' transactions still
# find a week closed: they have neither grant nor policy on it.
STATEMENTS = (
    """
CREATE FUNCTION open_to_platform(parent text, part text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    rights text := CASE parent
        WHEN 'messages' THEN 'SELECT, UPDATE (state, seq, epoch, attempts, checks, claim_failures, error_code, '
                             'error_reason, possible_duplicate, updated_at)'
        WHEN 'contents' THEN 'SELECT'
        WHEN 'attempts' THEN 'SELECT, INSERT, UPDATE (phase, outcome, provider_message_id, error_code, error_reason, '
                             'http_status, latency_ms, started_at, finished_at, possible_duplicate)'
        WHEN 'events' THEN 'SELECT, INSERT' END;
BEGIN
    IF rights IS NOT NULL THEN
        EXECUTE format('GRANT %s ON %I TO messaging_system', rights, part);
        EXECUTE format('CREATE POLICY every_tenant ON %I TO messaging_system USING (true) WITH CHECK (true)', part);
    END IF;
END
$$
""",
    "REVOKE EXECUTE ON FUNCTION open_to_platform(text, text) FROM PUBLIC",
    """
CREATE OR REPLACE FUNCTION prepare_partition(parent text, part text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', part);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', part);
    PERFORM tune_partition(parent, part);
    PERFORM open_to_platform(parent, part);
    IF parent IN ('contents', 'attempts') THEN
        PERFORM refer_to_messages(parent, part, '');
    END IF;
END
$$
""",
    """
SELECT open_to_platform(inhparent::regclass::text, inhrelid::regclass::text)
FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid WHERE c.relkind = 'r' AND c.relname NOT LIKE '%\\_default'
""",
)


def upgrade() -> None:
    connection = op.get_bind()
    for statement in STATEMENTS:
        connection.exec_driver_sql(statement)
