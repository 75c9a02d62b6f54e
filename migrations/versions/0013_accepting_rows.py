"""What is accepted arrives as rows: two row types, by which a batch is one parameter and not one for each column."""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

# Never altered: the processes of the version before send rows of the shape they know. A new shape is a new type.
# `key` is the idempotency key a message came under.
TYPES = (
    """
CREATE TYPE accepted_message AS (
    id uuid,
    account_id uuid,
    sender_id uuid,
    template_id uuid,
    created_at timestamptz,
    send_at timestamptz,
    expires_at timestamptz,
    state text,
    mode text,
    channel text,
    category text,
    priority text,
    on_unknown text,
    policy text,
    recipient_index bytea,
    recipient_hint text,
    summary text,
    template_name text,
    reference text,
    trace_id text,
    sealed bytea,
    key text
)
""",
    """
CREATE TYPE claimed_key AS (
    key text,
    fingerprint bytea,
    status integer,
    body bytea,
    expires_at timestamptz
)
""",
)


def upgrade() -> None:
    connection = op.get_bind()
    for statement in TYPES:
        connection.exec_driver_sql(statement)
