"""Types of the rows that statements over sets are given: one array of rows in place of an array per column."""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

# A running process holds on to the types it has seen. So what a statement is given changes under a new name, and the
# old type goes one version later.
TYPES = (
    """
CREATE TYPE given_move AS (
    tenant_id uuid, id uuid, expected_seq integer, previous text, state text, seq integer, epoch integer,
    attempts integer, checks integer, claim_failures integer, possible_duplicate boolean, keep_error boolean,
    error_code text, error_reason text
)
""",
    """
CREATE TYPE given_event AS (
    tenant_id uuid, message_id uuid, seq integer, type text, state text, detail jsonb, occurred_at timestamptz
)
""",
    """
CREATE TYPE given_news AS (
    tenant_id uuid, message_id uuid, epoch integer, phase text, outcome text, provider_message_id text,
    error_code text, error_reason text, http_status integer, latency_ms integer, several boolean, again boolean
)
""",
    """
CREATE TYPE given_attempt AS (
    tenant_id uuid, message_id uuid, account_id uuid, epoch integer, lease_owner text, lease interval,
    possible_duplicate boolean, forgotten boolean
)
""",
    """
CREATE TYPE given_dispatch AS (
    tenant_id uuid, subject_id uuid, sender_id uuid, flow_id uuid, channel text, priority text, kind text,
    due_at timestamptz
)
""",
)


def upgrade() -> None:
    connection = op.get_bind()
    for statement in TYPES:
        connection.exec_driver_sql(statement)
