"""Names of the same person, as providers tell them: what windows, limits and lists find a person by."""

from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

# `alias` and `canonical` are blind indexes of addresses, `sealed` holds both. Tenants' transactions read it, the
# platform's write it: it is a provider that tells.
STATEMENTS = (
    """
CREATE TABLE contact_aliases (
    tenant_id uuid NOT NULL,
    learnt_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    mode text NOT NULL,
    channel text NOT NULL,
    source text NOT NULL,
    alias bytea NOT NULL,
    canonical bytea NOT NULL,
    sealed bytea NOT NULL,
    CONSTRAINT contact_aliases_pkey PRIMARY KEY (tenant_id, mode, alias, channel),
    CONSTRAINT contact_aliases_tenant_fkey FOREIGN KEY (tenant_id) REFERENCES tenants (id),
    CONSTRAINT contact_aliases_mode_check CHECK (mode IN ('live', 'test')),
    CONSTRAINT contact_aliases_channel_check CHECK (channel IN ('whatsapp', 'sms', 'email')),
    CONSTRAINT contact_aliases_source_check CHECK (source IN ('answer', 'inbound')),
    CONSTRAINT contact_aliases_indexes_check
        CHECK (octet_length(alias) = 32 AND octet_length(canonical) = 32 AND alias <> canonical)
)
""",
    # Only a statement that asks for a canonical name says that it has one: without statistics the planner might else
    # look an alias up in this index, past all others of the tenant.
    """
CREATE INDEX contact_aliases_canonical_idx ON contact_aliases (tenant_id, mode, canonical) WHERE canonical IS NOT NULL
""",
    "GRANT SELECT ON contact_aliases TO messaging_app",
    "GRANT SELECT, INSERT, UPDATE (canonical, sealed, source, learnt_at) ON contact_aliases TO messaging_system",
    "ALTER TABLE contact_aliases ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE contact_aliases FORCE ROW LEVEL SECURITY",
    "CREATE POLICY own_tenant ON contact_aliases TO messaging_app"
    " USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant())",
    "CREATE POLICY every_tenant ON contact_aliases TO messaging_system USING (true) WITH CHECK (true)",
)


def upgrade() -> None:
    connection = op.get_bind()
    for statement in STATEMENTS:
        connection.exec_driver_sql(statement)
