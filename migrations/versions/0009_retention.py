"""Old weeks are dropped whole: references stay within a week, and two functions take a week away."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# A reference between two partitioned tables makes DETACH search all of the referring one for what would be left
# dangling: hours, with everybody waiting. A week of contents can only belong to the same week of messages (both are
# cut by the message's id), so the reference is declared week by week, and goes with the week.
REFERENCES = (
    """
CREATE OR REPLACE FUNCTION prepare_partition(parent text, part text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', part);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', part);
    EXECUTE format('ALTER TABLE %I SET (fillfactor = %s, autovacuum_vacuum_insert_scale_factor = 0.1)', part,
                   CASE parent WHEN 'messages' THEN 75 WHEN 'attempts' THEN 80 WHEN 'raw_callbacks' THEN 90
                               ELSE 100 END);
    IF parent IN ('contents', 'attempts') THEN
        PERFORM refer_to_messages(parent, part, '');
    END IF;
END
$$
""",
    """
CREATE FUNCTION refer_to_messages(parent text, part text, validity text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %I ADD CONSTRAINT %I FOREIGN KEY (tenant_id, message_id) '
                   'REFERENCES %I (tenant_id, id) %s',
                   part, parent || '_message_fkey', regexp_replace(part, '^' || parent, 'messages'), validity);
END
$$
""",
    "REVOKE EXECUTE ON FUNCTION refer_to_messages(text, text, text) FROM PUBLIC",
    # As before, but messages first: the same week's contents and attempts refer to them.
    """
CREATE OR REPLACE FUNCTION ensure_partitions() RETURNS integer LANGUAGE plpgsql SECURITY DEFINER
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
                  WHERE relkind = 'p' AND relnamespace = 'public'::regnamespace
                  ORDER BY relname <> 'messages', relname LOOP
        FOR n IN -1..8 LOOP
            week := (date_trunc('week', clock_timestamp() AT TIME ZONE 'UTC') + n * interval '7 days')
                    AT TIME ZONE 'UTC';
            part := partition_name(parent, week);
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
    """
CREATE FUNCTION partition_name(parent text, week timestamptz) RETURNS text LANGUAGE sql STABLE
AS $$ SELECT parent || to_char(week AT TIME ZONE 'UTC', '_IYYY"w"IW') $$
""",
    # The rows have obeyed the wider reference until this moment, so they are not looked at again.
    "ALTER TABLE contents DROP CONSTRAINT contents_message_fkey",
    "ALTER TABLE attempts DROP CONSTRAINT attempts_message_fkey",
    """
DO $$
DECLARE
    part record;
BEGIN
    FOR part IN SELECT inhparent::regclass::text AS parent, inhrelid::regclass::text AS name FROM pg_inherits
                WHERE inhparent IN ('contents'::regclass, 'attempts'::regclass) LOOP
        PERFORM refer_to_messages(part.parent, part.name, 'NOT VALID');
    END LOOP;
END
$$
""",
    # Letters are few and not cut by week. Only the statement that buries a message writes one.
    "ALTER TABLE dead_letters DROP CONSTRAINT dead_letters_message_fkey",
)

RETENTION = (
    """
CREATE FUNCTION has_open_work(family text, first_id uuid, end_id uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM dispatches d WHERE d.subject_id >= first_id AND d.subject_id < end_id
                   AND (d.kind = 'process_callback') = (family = 'raw_callbacks'))
        OR family = 'messages' AND EXISTS (
            SELECT FROM dead_letters l
            WHERE l.message_id >= first_id AND l.message_id < end_id AND l.resolved_at IS NULL)
$$
""",
    # DETACH waits for everybody and lets everybody wait. It gives up before the server would look for a deadlock
    # (1 s), so that the one that gives way is always this one.
    """
CREATE FUNCTION drop_week(family text, week timestamptz) RETURNS text[] LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp SET lock_timeout = '500ms' AS $$
DECLARE
    parents text[] := CASE family WHEN 'messages' THEN '{messages,contents,attempts,events}'::text[]
                                  WHEN 'raw_callbacks' THEN '{raw_callbacks}'::text[] END;
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
    "REVOKE EXECUTE ON FUNCTION drop_week(text, timestamptz) FROM PUBLIC",
    "GRANT EXECUTE ON FUNCTION drop_week(text, timestamptz) TO messaging_system",
    "GRANT DELETE ON dead_letters TO messaging_system",
    # Runs with the rights of the platform's role, who sees every tenant's rows; the tables' owner sees none.
    """
CREATE FUNCTION drop_oldest_week(family text, kept interval) RETURNS text[] LANGUAGE plpgsql
SET search_path = public, pg_temp SET enable_seqscan = on AS $$
DECLARE
    week timestamptz;
    first_id uuid;
    end_id uuid;
    dropped text[];
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtext('messaging.drop_oldest_week')) THEN
        RETURN '{}';
    END IF;
    FOR week IN SELECT to_date(right(c.relname, 7), 'IYYY"w"IW')::timestamp AT TIME ZONE 'UTC'
                FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
                WHERE i.inhparent = family::regclass AND c.relname ~ '_[0-9]{4}w[0-9]{2}$' ORDER BY c.relname LOOP
        EXIT WHEN week + interval '7 days' > clock_timestamp() - kept;
        first_id := uuid_floor(week);
        end_id := uuid_floor(week + interval '7 days');
        CONTINUE WHEN has_open_work(family, first_id, end_id);
        CONTINUE WHEN family = 'messages' AND EXISTS (
            SELECT FROM messages m WHERE m.id >= first_id AND m.id < end_id
            AND m.state IN ('scheduled', 'queued', 'claimed', 'sending', 'unknown'));
        BEGIN
            dropped := drop_week(family, week);
            -- Somebody may have taken a message up again before the door was shut.
            IF has_open_work(family, first_id, end_id) THEN
                RAISE object_in_use USING MESSAGE = 'a message was taken up again';
            END IF;
        EXCEPTION WHEN lock_not_available OR deadlock_detected OR object_in_use THEN
            RAISE LOG 'the week of % of % is in use: %', week, family, SQLERRM;
            RETURN '{}';
        END;
        IF family = 'messages' THEN
            DELETE FROM dead_letters l WHERE l.message_id >= first_id AND l.message_id < end_id;
        END IF;
        RETURN dropped;
    END LOOP;
    RETURN '{}';
END
$$
""",
)


def upgrade() -> None:
    connection = op.get_bind()
    for statement in (*REFERENCES, *RETENTION):
        connection.exec_driver_sql(statement)
