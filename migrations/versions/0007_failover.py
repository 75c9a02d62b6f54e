"""Which server the messages live on: a restored backup or a promoted replica is noticed before anything leaves."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# `switched_at` is when another server, or an older self of it, was first seen here; until `settled` nothing is claimed.
IDENTITY = (
    """
CREATE TABLE platform_identity (
    one boolean NOT NULL DEFAULT true,
    system_identifier bigint NOT NULL,
    timeline integer NOT NULL,
    switched_at timestamptz,
    settled boolean NOT NULL DEFAULT true,
    CONSTRAINT platform_identity_pkey PRIMARY KEY (one),
    CONSTRAINT platform_identity_one_check CHECK (one),
    CONSTRAINT platform_identity_switched_check CHECK (settled OR switched_at IS NOT NULL)
)
""",
    # The timeline that is being written. pg_control_checkpoint() names the one of the last checkpoint, which a promoted
    # replica may finish minutes after it has begun to take writes.
    """
CREATE FUNCTION present_identity(OUT system_identifier bigint, OUT timeline integer) LANGUAGE sql STABLE AS $$
    SELECT c.system_identifier, ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::integer
    FROM pg_control_system() c
$$
""",
    "INSERT INTO platform_identity (system_identifier, timeline) SELECT * FROM present_identity()",
    "GRANT SELECT, INSERT, UPDATE ON platform_identity TO messaging_system",
)

# T22, and below it the step by way of `queued` that a scheduled message takes whose time had come.
MOVES = (
    "ALTER FUNCTION is_legal_move(text, text) RENAME TO is_ordinary_move",
    """
CREATE FUNCTION is_legal_move(source text, target text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT is_ordinary_move(source, target) OR (source || '>' || target) = ANY (ARRAY[
        'queued>unknown', 'claimed>unknown',
        'scheduled>unknown'
    ])
$$
""",
)


def upgrade() -> None:
    connection = op.get_bind()
    for statement in (*IDENTITY, *MOVES):
        connection.exec_driver_sql(statement)
