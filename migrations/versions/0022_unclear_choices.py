"""What shall happen to unclear sends can be chosen once, by tenant, category and template."""

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

# No defaults and no rewrite; processes of the version before go on without naming the columns. Few rows are checked:
# a tenant has hundreds of templates.
STATEMENTS = (
    "ALTER TABLE tenants ADD COLUMN on_unknown jsonb",
    "ALTER TABLE templates ADD COLUMN on_unknown text",
    "ALTER TABLE templates ADD CONSTRAINT templates_on_unknown_check CHECK (on_unknown IN ('hold', 'resend'))",
)


def upgrade() -> None:
    connection = op.get_bind()
    for statement in STATEMENTS:
        connection.exec_driver_sql(statement)
