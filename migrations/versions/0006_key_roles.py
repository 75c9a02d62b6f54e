"""What is a key for? Every key that exists so far was made to do everything."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# A constant default is no rewrite of the table; processes of the version before go on without naming the column.
STATEMENTS = (
    "ALTER TABLE api_keys ADD COLUMN role text NOT NULL DEFAULT 'owner'",
    """
ALTER TABLE api_keys ADD CONSTRAINT api_keys_role_check CHECK (role IN ('owner', 'operator', 'sender', 'reader'))
""",
)


def upgrade() -> None:
    connection = op.get_bind()
    for statement in STATEMENTS:
        connection.exec_driver_sql(statement)
