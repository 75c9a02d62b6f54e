"""An outbox for work of every kind: jobs, which any use case asks for in its own transaction."""

from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

TABLE = (
    "CREATE SEQUENCE jobs_seq",
    """
CREATE TABLE jobs (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    due_at timestamptz NOT NULL,
    wanted_at timestamptz NOT NULL,
    again_at timestamptz,
    died_at timestamptz,
    seq bigint NOT NULL DEFAULT nextval('jobs_seq'),
    epoch integer NOT NULL DEFAULT 0,
    attempts integer NOT NULL DEFAULT 0,
    unfinished integer NOT NULL DEFAULT 0,
    status text NOT NULL DEFAULT 'waiting',
    mode text NOT NULL,
    kind text NOT NULL,
    lane text NOT NULL,
    order_key text,
    unique_key text,
    error_code text,
    error_reason text,
    payload jsonb NOT NULL,
    CONSTRAINT jobs_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT jobs_status_check CHECK (status IN ('waiting', 'claimed', 'blocked', 'dead')),
    CONSTRAINT jobs_mode_check CHECK (mode IN ('live', 'test')),
    CONSTRAINT jobs_died_check CHECK ((status = 'dead') = (died_at IS NOT NULL)),
    CONSTRAINT jobs_blocked_check CHECK (status <> 'blocked' OR order_key IS NOT NULL)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000,
        autovacuum_analyze_scale_factor = 0.1, autovacuum_analyze_threshold = 1000, autovacuum_vacuum_cost_delay = 0)
""",
    "CREATE INDEX jobs_lane_idx ON jobs (lane, due_at) WHERE status IN ('waiting', 'claimed')",
    "CREATE INDEX jobs_tenant_idx ON jobs (lane, tenant_id, due_at) WHERE status IN ('waiting', 'claimed')",
    """
CREATE INDEX jobs_suspect_idx ON jobs (lane, due_at) WHERE status IN ('waiting', 'claimed') AND unfinished >= 2
""",
    """
CREATE UNIQUE INDEX jobs_unique_key ON jobs (tenant_id, mode, kind, unique_key)
    WHERE unique_key IS NOT NULL AND status <> 'dead'
""",
    "CREATE INDEX jobs_order_idx ON jobs (tenant_id, order_key, seq) WHERE order_key IS NOT NULL AND status <> 'dead'",
    "CREATE INDEX jobs_blocked_idx ON jobs (tenant_id, order_key, seq) WHERE status = 'blocked'",
    # Two jobs of a key never run at once, whatever the code believes.
    """
CREATE UNIQUE INDEX jobs_running_idx ON jobs (tenant_id, order_key)
    WHERE order_key IS NOT NULL AND status = 'claimed'
""",
    "CREATE INDEX jobs_dead_idx ON jobs (died_at, id) WHERE status = 'dead'",
)

ACCESS = (
    "GRANT SELECT, INSERT, UPDATE, DELETE ON jobs TO messaging_app, messaging_system",
    "GRANT USAGE ON SEQUENCE jobs_seq TO messaging_app, messaging_system",
    "ALTER TABLE jobs ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE jobs FORCE ROW LEVEL SECURITY",
    """
CREATE POLICY own_tenant ON jobs TO messaging_app USING (tenant_id = current_tenant() AND in_mode(mode))
    WITH CHECK (tenant_id = current_tenant() AND in_mode(mode))
""",
    "CREATE POLICY every_tenant ON jobs TO messaging_system USING (true) WITH CHECK (true)",
)

# Work about templates has been dispatches until now. The tables' owner sees no rows, so workers carry them over: when
# they start, and now and then, because a worker of the version before may write more until it is stopped. That is also
# why the constraint on a dispatch's kind stays as it is.
CARRY_OVER = """
CREATE FUNCTION carry_template_work() RETURNS bigint LANGUAGE sql SET search_path = public, pg_temp AS $$
    WITH old AS (
        DELETE FROM dispatches d WHERE d.kind <> 'deliver' AND d.kind IN ('sync_templates', 'release_held')
        RETURNING d.*
    ), of_account AS (
        SELECT o.*, a.mode FROM old o
        LEFT JOIN templates t ON o.kind = 'release_held' AND t.tenant_id = o.tenant_id AND t.id = o.subject_id
        JOIN provider_accounts a ON a.tenant_id = o.tenant_id AND a.id = COALESCE(t.account_id, o.subject_id)
    ), carried AS (
        INSERT INTO jobs (tenant_id, id, due_at, wanted_at, mode, kind, lane, unique_key, payload)
        SELECT o.tenant_id, gen_random_uuid(), o.due_at, o.created_at, o.mode, o.kind,
               CASE o.kind WHEN 'sync_templates' THEN 'bulk' ELSE 'prompt' END, o.subject_id::text,
               jsonb_build_object(
                   'type', o.kind,
                   CASE o.kind WHEN 'sync_templates' THEN 'account_id' ELSE 'template_id' END, o.subject_id)
        FROM of_account o
        ON CONFLICT (tenant_id, mode, kind, unique_key) WHERE unique_key IS NOT NULL AND status <> 'dead' DO NOTHING
        RETURNING 1
    )
    SELECT count(*) FROM carried
$$
"""


def upgrade() -> None:
    connection = op.get_bind()
    for statement in (*TABLE, *ACCESS, CARRY_OVER):
        connection.exec_driver_sql(statement)
