"""A person may send a failed message again."""

from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

# T23. Processes of the version before never make this move, and go on meanwhile.
STATEMENTS = (
    """
CREATE OR REPLACE FUNCTION is_legal_move(source text, target text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT is_ordinary_move(source, target) OR (source || '>' || target) = ANY (ARRAY[
        'queued>unknown', 'claimed>unknown',
        'scheduled>unknown',
        'failed>queued'
    ])
$$
""",
)


def upgrade() -> None:
    connection = op.get_bind()
    for statement in STATEMENTS:
        connection.exec_driver_sql(statement)
