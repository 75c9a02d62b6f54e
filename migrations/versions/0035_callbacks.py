"""Callbacks: the endpoints of tenants, the events they are told of, what waits to be posted, and what became of it."""

from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

ENDPOINTS = (
    # An endpoint without an address is read from with GET /v1/events: nothing is posted to it.
    """
CREATE TABLE callback_endpoints (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    mode text NOT NULL,
    url_encrypted bytea,
    url_host text,
    description text NOT NULL,
    event_types text[] NOT NULL,
    filters jsonb NOT NULL,
    include text[] NOT NULL,
    ordering text NOT NULL,
    status text NOT NULL,
    disabled_reason text,
    max_in_flight integer NOT NULL,
    rate integer,
    headers_encrypted bytea,
    api_version text NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT callback_endpoints_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT callback_endpoints_tenant_fkey FOREIGN KEY (tenant_id) REFERENCES tenants (id),
    CONSTRAINT callback_endpoints_mode_check CHECK (mode IN ('live', 'test')),
    CONSTRAINT callback_endpoints_url_check CHECK ((url_encrypted IS NULL) = (url_host IS NULL)),
    CONSTRAINT callback_endpoints_ordering_check CHECK (ordering IN ('per_subject', 'none')),
    CONSTRAINT callback_endpoints_status_check CHECK (status IN ('enabled', 'paused', 'disabled', 'deleted')),
    CONSTRAINT callback_endpoints_reason_check CHECK ((status = 'disabled') = (disabled_reason IS NOT NULL)),
    CONSTRAINT callback_endpoints_disabled_reason_check CHECK (disabled_reason IN ('failing', 'gone', 'policy')),
    CONSTRAINT callback_endpoints_max_in_flight_check CHECK (max_in_flight BETWEEN 1 AND 32),
    CONSTRAINT callback_endpoints_rate_check CHECK (rate > 0)
)
""",
    # Every process keeps the endpoints in memory.
    """
CREATE TRIGGER raise_config_version AFTER INSERT OR UPDATE OR DELETE ON callback_endpoints
FOR EACH ROW EXECUTE FUNCTION raise_config_version()
""",
    """
CREATE TABLE callback_secrets (
    tenant_id uuid NOT NULL,
    endpoint_id uuid NOT NULL,
    id uuid NOT NULL,
    secret_encrypted bytea NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz,
    CONSTRAINT callback_secrets_pkey PRIMARY KEY (tenant_id, endpoint_id, id),
    CONSTRAINT callback_secrets_endpoint_fkey FOREIGN KEY (tenant_id, endpoint_id)
        REFERENCES callback_endpoints (tenant_id, id)
)
""",
    """
CREATE UNIQUE INDEX callback_secrets_current_key ON callback_secrets (tenant_id, endpoint_id)
WHERE expires_at IS NULL
""",
    "CREATE INDEX callback_secrets_expires_idx ON callback_secrets (expires_at) WHERE expires_at IS NOT NULL",
)

# A change writes one narrow row in its own transaction; the fan-out makes events of them and deletes them.
EVENTS = (
    """
CREATE TABLE pending_events (
    tenant_id uuid NOT NULL,
    number bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    subject_id uuid NOT NULL,
    sequence bigint,
    occurred_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    mode text NOT NULL,
    subject_kind text NOT NULL,
    type text NOT NULL,
    data jsonb,
    trace_id text,
    CONSTRAINT pending_events_pkey PRIMARY KEY (tenant_id, number),
    CONSTRAINT pending_events_mode_check CHECK (mode IN ('live', 'test'))
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000,
        autovacuum_analyze_scale_factor = 0.1, autovacuum_analyze_threshold = 1000, autovacuum_vacuum_cost_delay = 0)
""",
    """
CREATE TABLE callback_events (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    subject_id uuid NOT NULL,
    sequence bigint NOT NULL,
    occurred_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    mode text NOT NULL,
    subject_kind text NOT NULL,
    type text NOT NULL,
    body_encrypted bytea NOT NULL,
    body_sha256 bytea NOT NULL,
    trace_id text,
    CONSTRAINT callback_events_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT callback_events_mode_check CHECK (mode IN ('live', 'test')),
    CONSTRAINT callback_events_digest_check CHECK (octet_length(body_sha256) = 32)
) PARTITION BY RANGE (id)
""",
    "CREATE INDEX callback_events_subject_idx ON callback_events (tenant_id, subject_id, sequence)",
)

DELIVERY = (
    # When to look at an endpoint next. Updates change an indexed column and are never HOT: the table is small, and
    # vacuumed eagerly.
    """
CREATE TABLE callback_lanes (
    tenant_id uuid NOT NULL,
    endpoint_id uuid NOT NULL,
    due_at timestamptz NOT NULL DEFAULT 'infinity',
    epoch bigint NOT NULL DEFAULT 0,
    opened_at timestamptz,
    last_success_at timestamptz,
    first_failure_at timestamptz,
    failures integer NOT NULL DEFAULT 0,
    probes integer NOT NULL DEFAULT 0,
    leased boolean NOT NULL DEFAULT false,
    in_slow_pool boolean NOT NULL DEFAULT false,
    breaker text NOT NULL DEFAULT 'closed',
    CONSTRAINT callback_lanes_pkey PRIMARY KEY (tenant_id, endpoint_id),
    CONSTRAINT callback_lanes_endpoint_fkey FOREIGN KEY (tenant_id, endpoint_id)
        REFERENCES callback_endpoints (tenant_id, id),
    CONSTRAINT callback_lanes_breaker_check CHECK (breaker IN ('closed', 'open', 'half_open')),
    CONSTRAINT callback_lanes_counters_check CHECK (epoch >= 0 AND failures >= 0 AND probes >= 0)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 200,
        autovacuum_analyze_scale_factor = 0.1, autovacuum_vacuum_cost_delay = 0)
""",
    """
CREATE INDEX callback_lanes_due_idx ON callback_lanes (in_slow_pool, due_at) WHERE due_at < 'infinity'
""",
    # What waits for an endpoint: the oldest event of each key is its head, and only heads are ever due. Rows are
    # written in the thousands and deleted at their end, so nothing is checked that the writer knows anyway.
    """
CREATE TABLE callback_queue (
    tenant_id uuid NOT NULL,
    endpoint_id uuid NOT NULL,
    event_id uuid NOT NULL,
    replay_of uuid,
    sequence bigint NOT NULL,
    due_at timestamptz NOT NULL,
    window_ends_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    step integer NOT NULL DEFAULT 0,
    attempts integer NOT NULL DEFAULT 0,
    head boolean NOT NULL,
    held boolean NOT NULL DEFAULT false,
    may_be_repeat boolean NOT NULL DEFAULT false,
    key text NOT NULL,
    CONSTRAINT callback_queue_pkey PRIMARY KEY (tenant_id, endpoint_id, key, sequence, event_id)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000,
        autovacuum_analyze_scale_factor = 0.1, autovacuum_analyze_threshold = 1000, autovacuum_vacuum_cost_delay = 0)
""",
    "CREATE INDEX callback_queue_due_idx ON callback_queue (tenant_id, endpoint_id, due_at) WHERE head",
    # Two events of a key are never on their way at once, whatever the code believes.
    "CREATE UNIQUE INDEX callback_queue_head_key ON callback_queue (tenant_id, endpoint_id, key) WHERE head",
    """
CREATE TABLE callback_attempts (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    endpoint_id uuid NOT NULL,
    event_id uuid NOT NULL,
    started_at timestamptz NOT NULL,
    finished_at timestamptz,
    n integer NOT NULL,
    http_status integer,
    ms integer,
    probe boolean NOT NULL DEFAULT false,
    outcome text,
    failure text,
    url_host text NOT NULL,
    peer_ip text,
    response_excerpt_encrypted bytea,
    CONSTRAINT callback_attempts_pkey PRIMARY KEY (tenant_id, id)
) PARTITION BY RANGE (id)
""",
    "CREATE INDEX callback_attempts_endpoint_idx ON callback_attempts (tenant_id, endpoint_id, id)",
    "CREATE INDEX callback_attempts_event_idx ON callback_attempts (tenant_id, event_id, id)",
    # An end is in the week of its event.
    """
CREATE TABLE callback_ends (
    tenant_id uuid NOT NULL,
    endpoint_id uuid NOT NULL,
    event_id uuid NOT NULL,
    ended_at timestamptz NOT NULL,
    attempts integer NOT NULL,
    state text NOT NULL,
    last_failure text,
    CONSTRAINT callback_ends_pkey PRIMARY KEY (tenant_id, endpoint_id, event_id),
    CONSTRAINT callback_ends_state_check CHECK (state IN ('delivered', 'exhausted', 'discarded', 'dead'))
) PARTITION BY RANGE (event_id)
""",
    """
CREATE INDEX callback_ends_rare_idx ON callback_ends (tenant_id, endpoint_id, state, event_id)
WHERE state <> 'delivered'
""",
)

# An attempt is written before the exchange and updated after it.
WEEKS = (
    """
CREATE OR REPLACE FUNCTION tune_partition(parent text, part text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %I SET (fillfactor = %s, autovacuum_vacuum_scale_factor = 0.05, '
                   'autovacuum_analyze_scale_factor = 0.5, autovacuum_vacuum_insert_scale_factor = 0.1, '
                   'autovacuum_vacuum_threshold = 1000, autovacuum_analyze_threshold = 1000)', part,
                   CASE parent WHEN 'messages' THEN 60 WHEN 'attempts' THEN 50 WHEN 'raw_webhooks' THEN 90
                               WHEN 'callback_attempts' THEN 70 ELSE 100 END);
    PERFORM sample_sparingly(part);
END
$$
""",
    # A week of events that may be dropped is older than the longest delivery or replay takes.
    """
CREATE OR REPLACE FUNCTION has_open_work(family text, first_id uuid, end_id uuid) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT family <> 'callback_events' AND EXISTS (
               SELECT FROM dispatches d WHERE d.subject_id >= first_id AND d.subject_id < end_id
               AND (d.kind IN ('process_webhook', 'process_callback')) = (family = 'raw_webhooks'))
        OR family = 'messages' AND EXISTS (
            SELECT FROM dead_letters l
            WHERE l.message_id >= first_id AND l.message_id < end_id AND l.resolved_at IS NULL)
$$
""",
    """
CREATE OR REPLACE FUNCTION drop_week(family text, week timestamptz) RETURNS text[] LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp SET lock_timeout = '500ms' AS $$
DECLARE
    parents text[] := CASE family WHEN 'messages' THEN '{messages,contents,attempts,events}'::text[]
                                  WHEN 'callback_events'
                                      THEN '{callback_events,callback_attempts,callback_ends}'::text[]
                                  WHEN 'raw_webhooks' THEN '{raw_webhooks}'::text[] END;
    parent text;
    part text;
    dropped text[] := '{}';
BEGIN
    IF parents IS NULL OR week + interval '37 days' > clock_timestamp() THEN
        RAISE EXCEPTION 'the week of % of % is not to be dropped', week, family;
    END IF;
    EXECUTE 'LOCK TABLE ONLY ' || array_to_string(parents, ', ') || ' IN ACCESS EXCLUSIVE MODE';
    -- Last to first: a week of messages can go when nothing refers to it any more.
    FOR i IN REVERSE array_upper(parents, 1)..1 LOOP
        parent := parents[i];
        part := partition_name(parent, week);
        CONTINUE WHEN to_regclass(quote_ident(part)) IS NULL;
        EXECUTE format('ALTER TABLE %I DETACH PARTITION %I', parent, part);
        EXECUTE format('DROP TABLE %I', part);
        dropped := dropped || part;
    END LOOP;
    RETURN dropped;
END
$$
""",
    """
DO $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['callback_events', 'callback_attempts', 'callback_ends'] LOOP
        EXECUTE format('CREATE TABLE %I PARTITION OF %I DEFAULT', t || '_default', t);
        PERFORM prepare_partition(t, t || '_default');
    END LOOP;
    PERFORM ensure_partitions();
END
$$
""",
)

GRANTS = (
    "GRANT SELECT, INSERT, UPDATE ON callback_endpoints, callback_lanes TO messaging_app",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON callback_secrets, callback_queue TO messaging_app",
    "GRANT SELECT, INSERT ON pending_events, callback_ends TO messaging_app",
    "GRANT SELECT ON callback_events, callback_attempts TO messaging_app",
    "GRANT SELECT, UPDATE (status, disabled_reason, updated_at) ON callback_endpoints TO messaging_system",
    "GRANT SELECT, DELETE ON callback_secrets TO messaging_system",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON pending_events, callback_queue TO messaging_system",
    "GRANT SELECT, INSERT ON callback_events TO messaging_system",
    "GRANT SELECT, INSERT, UPDATE ON callback_lanes, callback_ends TO messaging_system",
    "GRANT SELECT, INSERT ON callback_attempts TO messaging_system",
    "GRANT UPDATE (finished_at, outcome, http_status, failure, peer_ip, response_excerpt_encrypted, ms)"
    " ON callback_attempts TO messaging_system",
)

_OF_ENDPOINT = (
    "EXISTS (SELECT FROM callback_endpoints e WHERE e.tenant_id = {0}.tenant_id AND e.id = {0}.endpoint_id"
    " AND in_mode(e.mode))"
)
POLICIES = {
    **dict.fromkeys(("callback_endpoints", "pending_events", "callback_events"), "in_mode(mode)"),
    **{
        table: _OF_ENDPOINT.format(table)
        for table in ("callback_secrets", "callback_lanes", "callback_queue", "callback_attempts", "callback_ends")
    },
}


def _secured(table: str, of_mode: str) -> tuple[str, ...]:
    own = f"tenant_id = current_tenant() AND {of_mode}"
    return (
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
        f"CREATE POLICY own_tenant ON {table} TO messaging_app USING ({own}) WITH CHECK ({own})",
        f"CREATE POLICY every_tenant ON {table} TO messaging_system USING (true) WITH CHECK (true)",
    )


def upgrade() -> None:
    connection = op.get_bind()
    for statement in (*ENDPOINTS, *EVENTS, *DELIVERY, *WEEKS, *GRANTS):
        connection.exec_driver_sql(statement)
    for table, of_mode in POLICIES.items():
        for statement in _secured(table, of_mode):
            connection.exec_driver_sql(statement)
