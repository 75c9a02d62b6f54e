"""Messages and what happens to them: contents, attempts, events, dispatches, dead letters; weekly partitions."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# A UUIDv7 starts with its time of creation in milliseconds, so a week is a range of ids.
PARTITIONS = (
    """
CREATE FUNCTION uuid_floor(at timestamptz) RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid $$
""",
    # Storage parameters are not inherited by partitions. Room on the page keeps the many small updates HOT.
    """
CREATE FUNCTION prepare_partition(parent text, part text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', part);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', part);
    EXECUTE format('ALTER TABLE %I SET (fillfactor = %s, autovacuum_vacuum_insert_scale_factor = 0.1)', part,
                   CASE parent WHEN 'messages' THEN 75 WHEN 'attempts' THEN 80 WHEN 'raw_callbacks' THEN 90
                               ELSE 100 END);
END
$$
""",
    # The one thing the platform's own role may not do itself is DDL; this does exactly the DDL it needs.
    """
CREATE FUNCTION ensure_partitions() RETURNS integer LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp SET lock_timeout = '2s' AS $$
DECLARE
    parent text;
    part text;
    week timestamptz;
    made integer := 0;
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtext('messaging.ensure_partitions')) THEN
        RETURN 0;
    END IF;
    FOR parent IN SELECT relname FROM pg_class
                  WHERE relkind = 'p' AND relnamespace = 'public'::regnamespace ORDER BY relname LOOP
        FOR n IN -1..8 LOOP
            week := (date_trunc('week', clock_timestamp() AT TIME ZONE 'UTC') + n * interval '7 days')
                    AT TIME ZONE 'UTC';
            part := parent || to_char(week AT TIME ZONE 'UTC', '_IYYY"w"IW');
            CONTINUE WHEN to_regclass(quote_ident(part)) IS NOT NULL;
            EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)',
                           part, parent, uuid_floor(week), uuid_floor(week + interval '7 days'));
            PERFORM prepare_partition(parent, part);
            made := made + 1;
        END LOOP;
    END LOOP;
    RETURN made;
END
$$
""",
    "REVOKE EXECUTE ON FUNCTION ensure_partitions(), prepare_partition(text, text) FROM PUBLIC",
    "GRANT EXECUTE ON FUNCTION ensure_partitions() TO messaging_system",
)

# The envelope and the hot state share one row, and no index holds a hot column: every move is a HOT update.
MESSAGES = (
    """
CREATE TABLE messages (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    account_id uuid NOT NULL,
    sender_id uuid NOT NULL,
    template_id uuid,
    created_at timestamptz NOT NULL,
    send_at timestamptz,
    expires_at timestamptz,
    updated_at timestamptz NOT NULL,
    seq integer NOT NULL,
    epoch integer NOT NULL,
    attempts integer NOT NULL,
    checks integer NOT NULL,
    claim_failures integer NOT NULL,
    possible_duplicate boolean NOT NULL,
    state text NOT NULL,
    mode text NOT NULL,
    channel text NOT NULL,
    category text NOT NULL,
    priority text NOT NULL,
    on_unknown text NOT NULL,
    policy text NOT NULL,
    recipient_index bytea NOT NULL,
    recipient_hint text NOT NULL,
    summary text NOT NULL,
    template_name text,
    reference text,
    trace_id text,
    error_code text,
    error_reason text,
    CONSTRAINT messages_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT messages_sender_fkey FOREIGN KEY (tenant_id, account_id, sender_id)
        REFERENCES senders (tenant_id, account_id, id),
    CONSTRAINT messages_template_fkey FOREIGN KEY (tenant_id, account_id, template_id)
        REFERENCES templates (tenant_id, account_id, id),
    CONSTRAINT messages_state_check CHECK (state IN
        ('scheduled', 'queued', 'claimed', 'sending', 'unknown', 'submitted', 'sent', 'delivered', 'read', 'failed',
         'expired', 'cancelled', 'unconfirmed', 'dead')),
    CONSTRAINT messages_mode_check CHECK (mode IN ('live', 'test')),
    CONSTRAINT messages_channel_check CHECK (channel IN ('whatsapp', 'sms', 'email')),
    CONSTRAINT messages_category_check CHECK (category IN ('utility', 'authentication', 'marketing', 'service')),
    CONSTRAINT messages_priority_check CHECK (priority IN ('critical', 'high', 'default', 'low')),
    CONSTRAINT messages_on_unknown_check CHECK (on_unknown IN ('hold', 'resend')),
    CONSTRAINT messages_counters_check CHECK
        (seq > 0 AND epoch >= 0 AND attempts >= 0 AND checks >= 0 AND claim_failures >= 0)
) PARTITION BY RANGE (id)
""",
    "CREATE INDEX messages_recipient_idx ON messages (tenant_id, recipient_index, id)",
    "CREATE INDEX messages_reference_idx ON messages (tenant_id, reference, id) WHERE reference IS NOT NULL",
    "CREATE INDEX messages_template_idx ON messages (tenant_id, template_name, id) WHERE template_name IS NOT NULL",
    # The pairs of the domain's table, and below them those that one transaction may take in two steps by way of
    # `queued`: a due message is queued and claimed, a refused or lost one queued and then expired, buried or claimed.
    """
CREATE FUNCTION is_legal_move(source text, target text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT (source || '>' || target) = ANY (ARRAY[
        'scheduled>queued', 'scheduled>expired', 'scheduled>cancelled',
        'queued>claimed', 'queued>expired', 'queued>cancelled', 'queued>dead',
        'queued>submitted', 'queued>sent', 'queued>delivered', 'queued>read', 'queued>failed',
        'claimed>queued', 'claimed>sending', 'claimed>dead',
        'claimed>submitted', 'claimed>sent', 'claimed>delivered', 'claimed>read', 'claimed>failed',
        'sending>queued', 'sending>unknown', 'sending>submitted',
        'sending>sent', 'sending>delivered', 'sending>read', 'sending>failed',
        'unknown>queued', 'unknown>unconfirmed', 'unknown>submitted',
        'unknown>sent', 'unknown>delivered', 'unknown>read', 'unknown>failed',
        'unconfirmed>queued', 'unconfirmed>submitted',
        'unconfirmed>sent', 'unconfirmed>delivered', 'unconfirmed>read', 'unconfirmed>failed',
        'dead>queued', 'dead>submitted', 'dead>sent', 'dead>delivered', 'dead>read', 'dead>failed',
        'expired>submitted', 'expired>sent', 'expired>delivered', 'expired>read', 'expired>failed',
        'cancelled>submitted', 'cancelled>sent', 'cancelled>delivered', 'cancelled>read', 'cancelled>failed',
        'submitted>sent', 'submitted>delivered', 'submitted>read', 'submitted>failed',
        'sent>delivered', 'sent>read', 'sent>failed',
        'delivered>read', 'failed>delivered', 'failed>read',
        'scheduled>claimed', 'claimed>expired', 'sending>expired', 'sending>dead', 'unknown>expired', 'unknown>dead'
    ])
$$
""",
    """
CREATE FUNCTION refuse_illegal_move() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT is_legal_move(OLD.state, NEW.state) THEN
        RAISE EXCEPTION 'message % may not move from % to %', OLD.id, OLD.state, NEW.state
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END
$$
""",
    """
CREATE TRIGGER refuse_illegal_move BEFORE UPDATE ON messages
FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION refuse_illegal_move()
""",
    """
CREATE TABLE contents (
    tenant_id uuid NOT NULL,
    message_id uuid NOT NULL,
    sealed bytea NOT NULL,
    CONSTRAINT contents_pkey PRIMARY KEY (tenant_id, message_id),
    CONSTRAINT contents_message_fkey FOREIGN KEY (tenant_id, message_id) REFERENCES messages (tenant_id, id)
) PARTITION BY RANGE (message_id)
""",
)

# `is_open` and not the phase stands in the index, so that stamping an attempt (claimed to started) is a HOT update.
ATTEMPTS = (
    """
CREATE TABLE attempts (
    tenant_id uuid NOT NULL,
    message_id uuid NOT NULL,
    account_id uuid NOT NULL,
    epoch integer NOT NULL,
    http_status integer,
    latency_ms integer,
    opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    lease_until timestamptz NOT NULL,
    started_at timestamptz,
    finished_at timestamptz,
    possible_duplicate boolean NOT NULL,
    is_open boolean NOT NULL GENERATED ALWAYS AS (phase <> 'closed') STORED,
    phase text NOT NULL,
    outcome text,
    lease_owner text NOT NULL,
    provider_message_id text,
    error_code text,
    error_reason text,
    CONSTRAINT attempts_pkey PRIMARY KEY (tenant_id, message_id, epoch),
    CONSTRAINT attempts_message_fkey FOREIGN KEY (tenant_id, message_id) REFERENCES messages (tenant_id, id),
    CONSTRAINT attempts_epoch_check CHECK (epoch > 0),
    CONSTRAINT attempts_phase_check CHECK (phase IN ('claimed', 'started', 'unknown', 'closed')),
    CONSTRAINT attempts_outcome_check CHECK (outcome IN
        ('accepted', 'rejected', 'unavailable', 'throttled', 'not_sent', 'unknown', 'presumed_absent')),
    CONSTRAINT attempts_accepted_check CHECK (outcome <> 'accepted' OR phase = 'closed')
) PARTITION BY RANGE (message_id)
""",
    "CREATE UNIQUE INDEX attempts_one_open ON attempts (tenant_id, message_id) WHERE is_open",
    """
CREATE UNIQUE INDEX attempts_one_acceptance ON attempts (tenant_id, message_id)
WHERE outcome = 'accepted' AND NOT possible_duplicate
""",
    """
CREATE INDEX attempts_provider_message_idx ON attempts (account_id, provider_message_id)
WHERE provider_message_id IS NOT NULL
""",
)

EVENTS = (
    """
CREATE TABLE events (
    tenant_id uuid NOT NULL,
    message_id uuid NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    occurred_at timestamptz,
    seq integer NOT NULL,
    type text NOT NULL,
    state text NOT NULL,
    detail jsonb NOT NULL,
    CONSTRAINT events_pkey PRIMARY KEY (tenant_id, message_id, seq),
    CONSTRAINT events_seq_check CHECK (seq > 0)
) PARTITION BY RANGE (message_id)
""",
    # Where lists by the rarer states start from; on messages such an index would end HOT updates.
    """
CREATE INDEX events_rare_state_idx ON events (tenant_id, state, message_id)
WHERE state IN ('unknown', 'failed', 'expired', 'cancelled', 'unconfirmed', 'dead')
""",
    """
CREATE FUNCTION refuse_rewriting() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END
$$
""",
    """
CREATE TRIGGER refuse_rewriting BEFORE UPDATE OR DELETE ON events
FOR EACH ROW EXECUTE FUNCTION refuse_rewriting()
""",
)

# The outbox: what is due when. A claim moves due_at to the end of its lease, so an expired lease is simply due again.
DISPATCHES = (
    """
CREATE TABLE dispatches (
    tenant_id uuid NOT NULL,
    subject_id uuid NOT NULL,
    sender_id uuid,
    due_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    kind text NOT NULL,
    channel text,
    priority text,
    CONSTRAINT dispatches_pkey PRIMARY KEY (tenant_id, subject_id),
    CONSTRAINT dispatches_kind_check CHECK (kind IN ('deliver', 'stop_waiting', 'process_callback', 'rematch')),
    CONSTRAINT dispatches_lane_check CHECK
        (kind <> 'deliver' OR (channel IS NOT NULL AND priority IS NOT NULL AND sender_id IS NOT NULL))
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000,
        autovacuum_analyze_scale_factor = 0.1, autovacuum_vacuum_cost_delay = 0)
""",
    # A row stands in exactly one of the two.
    "CREATE INDEX dispatches_lane_idx ON dispatches (channel, priority, sender_id, due_at) WHERE kind = 'deliver'",
    "CREATE INDEX dispatches_other_idx ON dispatches (kind, due_at) WHERE kind <> 'deliver'",
    """
CREATE TABLE dead_letters (
    tenant_id uuid NOT NULL,
    message_id uuid NOT NULL,
    died_at timestamptz NOT NULL,
    resolved_at timestamptz,
    code text NOT NULL,
    reason text NOT NULL,
    resolution text,
    CONSTRAINT dead_letters_pkey PRIMARY KEY (tenant_id, message_id),
    CONSTRAINT dead_letters_message_fkey FOREIGN KEY (tenant_id, message_id) REFERENCES messages (tenant_id, id),
    CONSTRAINT dead_letters_resolution_check CHECK ((resolved_at IS NULL) = (resolution IS NULL))
)
""",
    "CREATE INDEX dead_letters_open_idx ON dead_letters (tenant_id, message_id) WHERE resolved_at IS NULL",
    # For support people: one line a message, no address in full and no content.
    """
CREATE VIEW communications_log WITH (security_invoker = true) AS
SELECT m.tenant_id, m.id AS message_id, m.channel, m.recipient_hint AS recipient, m.summary AS payload,
       CASE m.state WHEN 'claimed' THEN 'queued' ELSE m.state END AS status,
       m.error_reason, m.created_at, m.updated_at
FROM messages m
""",
)

HOT = "state, seq, epoch, attempts, checks, claim_failures, error_code, error_reason, possible_duplicate, updated_at"
NEWS = (
    "phase, outcome, provider_message_id, error_code, error_reason, http_status, latency_ms, started_at, finished_at, "
    "possible_duplicate"
)
# What may never change has no UPDATE grant: the envelope of a message, its content, its events.
GRANTS = (
    "GRANT SELECT, INSERT ON messages, contents, events, dispatches TO messaging_app",
    "GRANT SELECT ON attempts, dead_letters TO messaging_app",
    "GRANT SELECT ON messages, contents, attempts, dead_letters TO messaging_system",
    "GRANT SELECT, INSERT ON events TO messaging_system",
    "GRANT INSERT ON attempts TO messaging_system",
    f"GRANT UPDATE ({HOT}) ON messages TO messaging_app, messaging_system",
    f"GRANT UPDATE ({NEWS}) ON attempts TO messaging_app, messaging_system",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON dispatches TO messaging_system",
    "GRANT UPDATE, DELETE ON dispatches TO messaging_app",
    "GRANT INSERT, UPDATE ON dead_letters TO messaging_app, messaging_system",
    "GRANT SELECT ON communications_log TO messaging_app",
)

ROW_SECURITY = """
DO $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['messages', 'contents', 'attempts', 'events', 'dispatches', 'dead_letters'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY own_tenant ON %I TO messaging_app '
                       'USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant())', t);
        EXECUTE format('CREATE POLICY every_tenant ON %I TO messaging_system USING (true) WITH CHECK (true)', t);
    END LOOP;
    -- Ids that belong to no week we made (a clock gone wrong) land here rather than being refused.
    FOREACH t IN ARRAY ARRAY['messages', 'contents', 'attempts', 'events'] LOOP
        EXECUTE format('CREATE TABLE %I PARTITION OF %I DEFAULT', t || '_default', t);
        PERFORM prepare_partition(t, t || '_default');
    END LOOP;
    PERFORM ensure_partitions();
END
$$
"""


def upgrade() -> None:
    connection = op.get_bind()
    for statement in (*PARTITIONS, *MESSAGES, *ATTEMPTS, *EVENTS, *DISPATCHES, *GRANTS, ROW_SECURITY):
        connection.exec_driver_sql(statement)
