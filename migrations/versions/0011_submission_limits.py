"""How much may a tenant submit? What is not said here follows the platform's settings."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # No default and no rewrite; processes of the version before go on without naming the column.
    op.get_bind().exec_driver_sql("ALTER TABLE tenants ADD COLUMN limits jsonb")
