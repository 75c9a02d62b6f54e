"""Incidents of the status page, which are about the whole platform."""

from alembic import op

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None

TABLE = (
    """
CREATE TABLE incidents (
    id uuid NOT NULL,
    title text NOT NULL,
    impact text NOT NULL,
    components text[] NOT NULL,
    updates jsonb NOT NULL,
    drafted_at timestamptz NOT NULL,
    status text NOT NULL,
    published_at timestamptz,
    resolved_at timestamptz,
    post_mortem text,
    post_mortem_at timestamptz,
    CONSTRAINT incidents_pkey PRIMARY KEY (id),
    CONSTRAINT incidents_impact_check CHECK (impact IN ('degraded', 'outage')),
    CONSTRAINT incidents_status_check CHECK (status IN ('draft', 'published', 'resolved')),
    CONSTRAINT incidents_resolved_check CHECK ((status = 'resolved') = (resolved_at IS NOT NULL))
)
""",
    "GRANT SELECT, INSERT, UPDATE ON incidents TO messaging_system",
)


def upgrade() -> None:
    connection = op.get_bind()
    for statement in TABLE:
        connection.exec_driver_sql(statement)
