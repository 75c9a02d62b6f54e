"""Messages of a template of the tenant's own name it, so that they share their sender's turns as a template's do."""

from alembic import op

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None

# A column without a default changes no row, and takes no room in those that leave it empty. It refers to own_templates
# without a foreign key: that would be checked for every message, to protect an id that only names a flow.
#
# The row type is a new one: processes of the version before go on with `accepted_message`, which goes a version later.
STATEMENTS = (
    "ALTER TABLE messages ADD COLUMN own_template_id uuid",
    """
CREATE TYPE submitted_message AS (
    id uuid,
    account_id uuid,
    sender_id uuid,
    template_id uuid,
    own_template_id uuid,
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
)


def upgrade() -> None:
    connection = op.get_bind()
    for statement in STATEMENTS:
        connection.exec_driver_sql(statement)
