"""Stored webhooks, and the dispatches that wait for their processing, get the names that the code has for them.

A webhook is what a provider posts to us. `callback` is kept free for what is posted to tenants.

Processes of the version before go on meanwhile:

- The old names of the two tables are views that every statement of theirs passes through. The next version drops them.
- They write dispatches of the old kinds, which the constraint goes on allowing, and do so until the last of them has
  ended. Rows are therefore not converted here, where all writers would wait for perhaps millions of rows: the workers
  of this version call `adopt_former_dispatches` every half minute, and it converts what it finds in small steps. Until
  then an old worker processes its own kinds as before. The next version drops the function and the old kinds.
"""

from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

FUNCTIONS = (
    """
CREATE OR REPLACE FUNCTION tune_partition(parent text, part text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %I SET (fillfactor = %s, autovacuum_vacuum_scale_factor = 0.05, '
                   'autovacuum_analyze_scale_factor = 0.5, autovacuum_vacuum_insert_scale_factor = 0.1, '
                   'autovacuum_vacuum_threshold = 1000, autovacuum_analyze_threshold = 1000)', part,
                   CASE parent WHEN 'messages' THEN 60 WHEN 'attempts' THEN 50 WHEN 'raw_webhooks' THEN 90
                               ELSE 100 END);
    PERFORM sample_sparingly(part);
END
$$
""",
    """
CREATE OR REPLACE FUNCTION has_open_work(family text, first_id uuid, end_id uuid) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM dispatches d WHERE d.subject_id >= first_id AND d.subject_id < end_id
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
    # Runs with the rights of the platform's role, who sees every tenant's rows. Rows that another transaction holds are
    # found by a later call. The index dispatches_other_idx finds the rows of a kind.
    """
CREATE FUNCTION adopt_former_dispatches(at_most integer) RETURNS integer LANGUAGE sql
SET search_path = public, pg_temp AS $$
    WITH former AS MATERIALIZED (
        SELECT d.tenant_id, d.subject_id, names.kind
        FROM (VALUES ('process_callback', 'process_webhook'), ('check_silent', 'poll_status'),
                     ('stop_waiting', 'resolve_unknown')) AS names(former, kind)
        CROSS JOIN LATERAL (
            SELECT d.tenant_id, d.subject_id FROM dispatches d
            WHERE d.kind <> 'deliver' AND d.kind = names.former
            LIMIT at_most FOR NO KEY UPDATE SKIP LOCKED
        ) d
    ), adopted AS (
        UPDATE dispatches d SET kind = f.kind
        FROM former f WHERE d.tenant_id = f.tenant_id AND d.subject_id = f.subject_id
        RETURNING 1
    )
    SELECT count(*)::integer FROM adopted
$$
""",
    "REVOKE EXECUTE ON FUNCTION adopt_former_dispatches(integer) FROM PUBLIC",
    "GRANT EXECUTE ON FUNCTION adopt_former_dispatches(integer) TO messaging_system",
)

# Everybody who stores a webhook or a message waits while a lock is waited for, so that is given up after 0.3 s, before
# the server looks for a deadlock (1 s), and tried again.
LOCK = """
DO $$
BEGIN
    FOR attempt IN 1..60 LOOP
        BEGIN
            SET LOCAL lock_timeout = '300ms';
            LOCK TABLE callback_digests, raw_callbacks, dispatches IN ACCESS EXCLUSIVE MODE;
            SET LOCAL lock_timeout = '4s';
            RETURN;
        EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
            PERFORM pg_sleep(0.2);
        END;
    END LOOP;
    RAISE lock_not_available USING
        MESSAGE = 'callback_digests, raw_callbacks or dispatches was in use for half a minute by a long transaction',
        HINT = 'Nothing was changed: run the migration again.';
END
$$
"""

# Changes of the catalog alone: tables with their partitions, then constraints, then indexes.
RENAMES = (
    """
CREATE FUNCTION webhook_name(former text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT replace(replace(former, 'raw_callbacks', 'raw_webhooks'), 'callback_digests', 'webhook_digests')
$$
""",
    """
DO $$
DECLARE
    found record;
BEGIN
    FOR found IN SELECT relname FROM pg_class
                 WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
                   AND relname ~ '^(raw_callbacks|callback_digests)' ORDER BY relname LOOP
        EXECUTE format('ALTER TABLE %I RENAME TO %I', found.relname, webhook_name(found.relname));
    END LOOP;
    -- A check is renamed in the partitions along with the parent; keys and references are renamed in each.
    FOR level IN 1..2 LOOP
        FOR found IN SELECT c.conrelid::regclass AS relation, c.conname FROM pg_constraint c
                     JOIN pg_class t ON t.oid = c.conrelid AND (level = 1) <> t.relispartition
                     WHERE t.relname ~ '^(raw_webhooks|webhook_digests)'
                       AND c.conname ~ '^(raw_callbacks|callback_digests)' ORDER BY c.oid LOOP
            EXECUTE format('ALTER TABLE %s RENAME CONSTRAINT %I TO %I',
                           found.relation, found.conname, webhook_name(found.conname));
        END LOOP;
    END LOOP;
    FOR found IN SELECT relname FROM pg_class
                 WHERE relnamespace = 'public'::regnamespace AND relkind IN ('i', 'I')
                   AND relname ~ '^(raw_callbacks|callback_digests)' ORDER BY relname LOOP
        EXECUTE format('ALTER INDEX %I RENAME TO %I', found.relname, webhook_name(found.relname));
    END LOOP;
END
$$
""",
    "DROP FUNCTION webhook_name(text)",
)

# The constraint becomes wider, so every row obeys it. `migrate.upgrade` validates it after its transaction, when nobody
# has to wait for that: looking at a million dispatches takes longer than all the rest.
KINDS = (
    "ALTER TABLE dispatches DROP CONSTRAINT dispatches_kind_check",
    """
ALTER TABLE dispatches ADD CONSTRAINT dispatches_kind_check CHECK
    (kind IN ('deliver', 'resolve_unknown', 'poll_status', 'process_webhook', 'rematch', 'sync_templates',
              'release_held', 'stop_waiting', 'check_silent', 'process_callback')) NOT VALID
""",
)

# With the rights of whoever asks, so that row security and grants of the tables hold as before.
VIEWS = (
    "CREATE VIEW raw_callbacks WITH (security_invoker = true) AS SELECT * FROM raw_webhooks",
    "CREATE VIEW callback_digests WITH (security_invoker = true) AS SELECT * FROM webhook_digests",
    "GRANT SELECT, INSERT ON raw_callbacks TO messaging_system",
    "GRANT UPDATE (status, problem, processed_at) ON raw_callbacks TO messaging_system",
    "GRANT SELECT, INSERT, DELETE ON callback_digests TO messaging_system",
)


def upgrade() -> None:
    connection = op.get_bind()
    for statement in (*FUNCTIONS, LOCK, *RENAMES, *KINDS, *VIEWS):
        connection.exec_driver_sql(statement)
