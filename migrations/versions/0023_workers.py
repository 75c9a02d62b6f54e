"""Workers tell that they are there, and which lanes they take."""

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

# No tenant's: a worker works for all of them. A handful of rows, each written every few seconds.
STATEMENTS = (
    """
CREATE TABLE workers (
    name text NOT NULL,
    lanes text[] NOT NULL,
    inbox boolean NOT NULL,
    started_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL,
    CONSTRAINT workers_pkey PRIMARY KEY (name)
) WITH (fillfactor = 50)
""",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON workers TO messaging_system",
)


def upgrade() -> None:
    connection = op.get_bind()
    for statement in STATEMENTS:
        connection.exec_driver_sql(statement)
