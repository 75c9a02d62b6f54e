"""A change of a message is given as one row: its move, the attempt it opens, what becomes of its dispatch."""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

# In place of `given_move`, `given_attempt` and `given_dispatch`, which processes of the version before still use.
# Without a lease owner no attempt is opened; without a kind the dispatch stays as it is, unless it is withdrawn.
CHANGE = """
CREATE TYPE given_change AS (
    tenant_id uuid, id uuid, expected_seq integer, previous text, state text, seq integer, epoch integer,
    attempts integer, checks integer, claim_failures integer, possible_duplicate boolean, keep_error boolean,
    error_code text, error_reason text, lease_owner text, lease interval, opened_duplicate boolean, forgotten boolean,
    kind text, due_at timestamptz, withdrawn boolean
)
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(CHANGE)
