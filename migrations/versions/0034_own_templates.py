"""Templates of the tenants' own, which are rendered here: names on a channel, and their versions."""

from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

TABLES = (
    """
CREATE TABLE own_templates (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    mode text NOT NULL,
    name text NOT NULL,
    channel text NOT NULL,
    category text NOT NULL,
    status text NOT NULL,
    created_at timestamptz NOT NULL,
    published integer,
    CONSTRAINT own_templates_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT own_templates_tenant_fkey FOREIGN KEY (tenant_id) REFERENCES tenants (id),
    CONSTRAINT own_templates_mode_check CHECK (mode IN ('live', 'test')),
    CONSTRAINT own_templates_channel_check CHECK (channel IN ('sms', 'email')),
    CONSTRAINT own_templates_category_check CHECK (category IN ('authentication', 'marketing', 'utility')),
    CONSTRAINT own_templates_status_check CHECK (status IN ('active', 'archived'))
)
""",
    # The name of an archived template is free again.
    """
CREATE UNIQUE INDEX own_templates_name_key ON own_templates (tenant_id, mode, channel, name) WHERE status = 'active'
""",
    """
CREATE TABLE own_template_versions (
    tenant_id uuid NOT NULL,
    template_id uuid NOT NULL,
    number integer NOT NULL,
    definition jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    published_at timestamptz,
    CONSTRAINT own_template_versions_pkey PRIMARY KEY (tenant_id, template_id, number),
    CONSTRAINT own_template_versions_template_fkey FOREIGN KEY (tenant_id, template_id)
        REFERENCES own_templates (tenant_id, id),
    CONSTRAINT own_template_versions_number_check CHECK (number > 0)
)
""",
    """
CREATE UNIQUE INDEX own_template_versions_draft_key ON own_template_versions (tenant_id, template_id)
WHERE published_at IS NULL
""",
    # Messages are sent with the version that they were accepted with, so a published one never changes.
    """
CREATE FUNCTION refuse_changing_published() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'version % of template % is published', OLD.number, OLD.template_id
        USING ERRCODE = 'insufficient_privilege';
END
$$
""",
    """
CREATE TRIGGER refuse_changing_published BEFORE UPDATE OR DELETE ON own_template_versions
FOR EACH ROW WHEN (OLD.published_at IS NOT NULL) EXECUTE FUNCTION refuse_changing_published()
""",
    # Drafts are in no process's memory; publishing changes the template.
    """
CREATE TRIGGER raise_config_version AFTER INSERT OR UPDATE OR DELETE ON own_templates
FOR EACH ROW EXECUTE FUNCTION raise_config_version()
""",
    "GRANT SELECT, INSERT, UPDATE ON own_templates, own_template_versions TO messaging_app",
    "GRANT SELECT ON own_templates, own_template_versions TO messaging_system",
)

_OWN = "tenant_id = current_tenant() AND {0}"
_OF_TEMPLATE = (
    "EXISTS (SELECT FROM own_templates t WHERE t.tenant_id = own_template_versions.tenant_id"
    " AND t.id = own_template_versions.template_id AND in_mode(t.mode))"
)
POLICIES = {"own_templates": "in_mode(mode)", "own_template_versions": _OF_TEMPLATE}


def _secured(table: str, of_mode: str) -> tuple[str, ...]:
    own = _OWN.format(of_mode)
    return (
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
        f"CREATE POLICY own_tenant ON {table} TO messaging_app USING ({own}) WITH CHECK ({own})",
        f"CREATE POLICY every_tenant ON {table} TO messaging_system USING (true) WITH CHECK (true)",
    )


def upgrade() -> None:
    connection = op.get_bind()
    for statement in TABLES:
        connection.exec_driver_sql(statement)
    for table, of_mode in POLICIES.items():
        for statement in _secured(table, of_mode):
            connection.exec_driver_sql(statement)
