"""A tenant's transaction has a mode: what is of the other mode is not there, also for the database."""

from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

# Pages of inbound messages are read sender by sender, because a message has the mode of the sender it was written to.
# First, because it takes longest and nobody who accepts messages waits for it.
INDEX = "CREATE INDEX inbound_messages_sender_idx ON inbound_messages (tenant_id, sender_id, id)"

# `app.mode` is set for a transaction as `app.tenant_id` is. Processes start their tenants' connections with `none`, so
# a transaction of theirs that sets no mode sees nothing. Only where it was never set at all, by a process of the
# version before this one, both modes are seen.
FUNCTIONS = (
    """
CREATE FUNCTION in_mode(mode text) RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT mode = current_setting('app.mode', true) OR COALESCE(current_setting('app.mode', true), 'both') = 'both'
$$
""",
    # A client's key holds no space, so what a test request used cannot be what a live request used. It is part of the
    # key, and no column, because the version before this one names (scope, key) as what is unique. What was stored by
    # then counts as live: a repeated live request must not send twice, a repeated test request may.
    """
CREATE FUNCTION mode_of_key(key text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN key LIKE 'test %' THEN 'test' ELSE 'live' END
$$
""",
)

# Each locks its table for a moment. What belongs to a message (contents, attempts, events, dispatches, dead letters) is
# reached through the message; a window of a sender through the sender.
_ACCOUNT = (
    "EXISTS (SELECT FROM provider_accounts a WHERE a.tenant_id = templates.tenant_id AND a.id = templates.account_id"
    " AND in_mode(a.mode))"
)
_SENDER = (
    "EXISTS (SELECT FROM senders s WHERE s.tenant_id = {0}.tenant_id AND s.id = {0}.sender_id AND in_mode(s.mode))"
)
POLICIES = {
    "inbound_messages": _SENDER.format("inbound_messages"),
    "routing_rules": _SENDER.format("routing_rules"),
    "templates": _ACCOUNT,
    "provider_events": "in_mode(mode)",
    "contact_aliases": "in_mode(mode)",
    "api_keys": "in_mode(mode)",
    "provider_accounts": "in_mode(mode)",
    "senders": "in_mode(mode)",
    "idempotency_keys": "in_mode(mode_of_key(key))",
    "messages": "in_mode(mode)",
}


def _policy(table: str, of_mode: str) -> str:
    own = f"{'scope' if table == 'idempotency_keys' else 'tenant_id'} = current_tenant() AND {of_mode}"
    return f"ALTER POLICY own_tenant ON {table} USING ({own}) WITH CHECK ({own})"


def upgrade() -> None:
    connection = op.get_bind()
    for statement in (INDEX, *FUNCTIONS, *(_policy(table, of_mode) for table, of_mode in POLICIES.items())):
        connection.exec_driver_sql(statement)
