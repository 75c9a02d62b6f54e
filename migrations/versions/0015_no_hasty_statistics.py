"""No statistics of a table's first rows: plans are kept, and those made for a handful of rows read all there is."""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

# By default a table is analyzed from 50 rows on. Of so few, reading every row beats looking up twenty, and that plan
# stays until the next analysis: a quiet platform that is hit by a burst would read its tables over and over for up to a
# minute. Without statistics, and from some hundred rows on, each key is looked up.
STATEMENTS = (
    """
CREATE OR REPLACE FUNCTION tune_partition(parent text, part text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %I SET (fillfactor = %s, autovacuum_vacuum_scale_factor = 0.05, '
                   'autovacuum_analyze_scale_factor = 0.05, autovacuum_vacuum_insert_scale_factor = 0.1, '
                   'autovacuum_vacuum_threshold = 1000, autovacuum_analyze_threshold = 1000)', part,
                   CASE parent WHEN 'messages' THEN 60 WHEN 'attempts' THEN 50 WHEN 'raw_callbacks' THEN 90
                               ELSE 100 END);
END
$$
""",
    "SELECT tune_partition(inhparent::regclass::text, inhrelid::regclass::text) FROM pg_inherits"
    " JOIN pg_class c ON c.oid = inhrelid WHERE c.relkind = 'r'",
    "ALTER TABLE dispatches SET (autovacuum_analyze_threshold = 1000)",
)


def upgrade() -> None:
    connection = op.get_bind()
    for statement in STATEMENTS:
        connection.exec_driver_sql(statement)
