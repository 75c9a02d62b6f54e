"""The two roles, the tenants, and what they configure: accounts, senders, templates, rules, keys."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# Roles belong to the cluster, so another database's migration may be making the same ones at this very moment.
ROLES = """
DO $$
DECLARE
    wanted text;
    may_assume boolean;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['messaging_app', 'messaging_system'] LOOP
        FOR attempt IN 1..10 LOOP
            BEGIN
                IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
                    EXECUTE format('CREATE ROLE %I NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE', wanted);
                END IF;
                IF current_setting('server_version_num')::int >= 160000 THEN
                    may_assume := pg_has_role(current_user, wanted, 'SET');
                ELSE
                    may_assume := pg_has_role(current_user, wanted, 'MEMBER');
                END IF;
                IF NOT may_assume THEN
                    EXECUTE format('GRANT %I TO CURRENT_USER', wanted);
                END IF;
                EXIT;
            EXCEPTION
                -- internal_error is what "tuple concurrently updated" arrives as.
                WHEN duplicate_object OR unique_violation OR internal_error THEN
                    IF attempt = 10 THEN
                        RAISE;
                    END IF;
                    PERFORM pg_sleep(0.05 * attempt);
            END;
        END LOOP;
    END LOOP;
END
$$
"""

CURRENT_TENANT = """
CREATE FUNCTION current_tenant() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
AS $$ SELECT NULLIF(current_setting('app.tenant_id', true), '')::uuid $$
"""

TABLES = (
    """
CREATE TABLE tenants (
    id uuid NOT NULL,
    name text NOT NULL,
    status text NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT tenants_pkey PRIMARY KEY (id),
    CONSTRAINT tenants_status_check CHECK (status IN ('active', 'suspended'))
)
""",
    """
CREATE TABLE data_keys (
    tenant_id uuid NOT NULL,
    version integer NOT NULL,
    wrapped bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT data_keys_pkey PRIMARY KEY (tenant_id, version),
    CONSTRAINT data_keys_tenant_fkey FOREIGN KEY (tenant_id) REFERENCES tenants (id)
)
""",
    """
CREATE TABLE api_keys (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    public_id text NOT NULL,
    secret_sha256 bytea NOT NULL,
    mode text NOT NULL,
    name text NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz,
    revoked_at timestamptz,
    CONSTRAINT api_keys_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT api_keys_public_id_key UNIQUE (public_id),
    CONSTRAINT api_keys_tenant_fkey FOREIGN KEY (tenant_id) REFERENCES tenants (id),
    CONSTRAINT api_keys_mode_check CHECK (mode IN ('live', 'test')),
    CONSTRAINT api_keys_secret_check CHECK (octet_length(secret_sha256) = 32)
)
""",
    """
CREATE TABLE admin_keys (
    id uuid NOT NULL,
    public_id text NOT NULL,
    secret_sha256 bytea NOT NULL,
    name text NOT NULL,
    created_at timestamptz NOT NULL,
    revoked_at timestamptz,
    CONSTRAINT admin_keys_pkey PRIMARY KEY (id),
    CONSTRAINT admin_keys_public_id_key UNIQUE (public_id),
    CONSTRAINT admin_keys_secret_check CHECK (octet_length(secret_sha256) = 32)
)
""",
    """
CREATE TABLE provider_accounts (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    provider text NOT NULL,
    mode text NOT NULL,
    name text NOT NULL,
    external_id text NOT NULL,
    sealed_credentials bytea NOT NULL,
    webhook_token text NOT NULL,
    status text NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT provider_accounts_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT provider_accounts_webhook_token_key UNIQUE (webhook_token),
    CONSTRAINT provider_accounts_tenant_fkey FOREIGN KEY (tenant_id) REFERENCES tenants (id),
    CONSTRAINT provider_accounts_mode_check CHECK (mode IN ('live', 'test')),
    CONSTRAINT provider_accounts_status_check CHECK (status IN ('active', 'disabled'))
)
""",
    # senders_account_key is what messages refer to: a message's sender belongs to its account, which belongs to its
    # tenant, all with one foreign key.
    """
CREATE TABLE senders (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    account_id uuid NOT NULL,
    channel text NOT NULL,
    mode text NOT NULL,
    external_id text NOT NULL,
    address text NOT NULL,
    name text NOT NULL,
    status text NOT NULL,
    created_at timestamptz NOT NULL,
    per_second integer NOT NULL,
    rank integer NOT NULL,
    CONSTRAINT senders_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT senders_account_key UNIQUE (tenant_id, account_id, id),
    CONSTRAINT senders_external_key UNIQUE (tenant_id, account_id, external_id),
    CONSTRAINT senders_account_fkey FOREIGN KEY (tenant_id, account_id) REFERENCES provider_accounts (tenant_id, id),
    CONSTRAINT senders_channel_check CHECK (channel IN ('whatsapp', 'sms', 'email')),
    CONSTRAINT senders_mode_check CHECK (mode IN ('live', 'test')),
    CONSTRAINT senders_status_check CHECK (status IN ('active', 'paused')),
    CONSTRAINT senders_per_second_check CHECK (per_second > 0)
)
""",
    """
CREATE TABLE templates (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    account_id uuid NOT NULL,
    name text NOT NULL,
    language text NOT NULL,
    category text NOT NULL,
    parameter_format text NOT NULL,
    components jsonb NOT NULL,
    status text NOT NULL,
    version integer NOT NULL,
    external_id text,
    quality text,
    rejected_reason text,
    CONSTRAINT templates_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT templates_account_key UNIQUE (tenant_id, account_id, id),
    CONSTRAINT templates_name_key UNIQUE (tenant_id, account_id, name, language),
    CONSTRAINT templates_account_fkey FOREIGN KEY (tenant_id, account_id) REFERENCES provider_accounts (tenant_id, id),
    CONSTRAINT templates_category_check CHECK (category IN ('authentication', 'marketing', 'utility')),
    CONSTRAINT templates_parameter_format_check CHECK (parameter_format IN ('positional', 'named')),
    CONSTRAINT templates_status_check CHECK (status IN
        ('pending', 'approved', 'rejected', 'paused', 'disabled', 'archived', 'deleted', 'other'))
)
""",
    "CREATE INDEX templates_external_idx ON templates (account_id, external_id) WHERE external_id IS NOT NULL",
    """
CREATE TABLE routing_rules (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    channel text NOT NULL,
    sender_id uuid NOT NULL,
    prefixes text[] NOT NULL,
    position integer NOT NULL,
    CONSTRAINT routing_rules_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT routing_rules_sender_fkey FOREIGN KEY (tenant_id, sender_id) REFERENCES senders (tenant_id, id),
    CONSTRAINT routing_rules_channel_check CHECK (channel IN ('whatsapp', 'sms', 'email'))
)
""",
    # changed_xid, not a time: a poller that asks "since the oldest transaction of my last look" misses no late commit.
    # The platform's own configuration (admin keys) has the nil tenant.
    """
CREATE TABLE config_versions (
    tenant_id uuid NOT NULL,
    version bigint NOT NULL,
    changed_at timestamptz NOT NULL,
    changed_xid bigint NOT NULL,
    CONSTRAINT config_versions_pkey PRIMARY KEY (tenant_id)
)
""",
    "CREATE INDEX config_versions_changed_idx ON config_versions (changed_xid)",
)

VERSIONS = (
    """
CREATE FUNCTION raise_config_version() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    owner uuid;
    subject record;
BEGIN
    IF TG_OP = 'DELETE' THEN
        subject := OLD;
    ELSE
        subject := NEW;
    END IF;
    owner := CASE TG_TABLE_NAME
        WHEN 'tenants' THEN (to_jsonb(subject) ->> 'id')::uuid
        WHEN 'admin_keys' THEN '00000000-0000-0000-0000-000000000000'::uuid
        ELSE (to_jsonb(subject) ->> 'tenant_id')::uuid
    END;
    INSERT INTO config_versions AS v (tenant_id, version, changed_at, changed_xid)
    VALUES (owner, 1, clock_timestamp(), pg_current_xact_id()::text::bigint)
    ON CONFLICT (tenant_id) DO UPDATE
    SET version = v.version + 1, changed_at = excluded.changed_at, changed_xid = excluded.changed_xid;
    RETURN NULL;
END
$$
""",
    """
DO $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['tenants', 'data_keys', 'api_keys', 'admin_keys', 'provider_accounts', 'senders',
                             'templates', 'routing_rules'] LOOP
        EXECUTE format('CREATE TRIGGER raise_config_version AFTER INSERT OR UPDATE OR DELETE ON %I '
                       'FOR EACH ROW EXECUTE FUNCTION raise_config_version()', t);
    END LOOP;
END
$$
""",
)

# What each role may do at all; rows are then narrowed by the policies below.
GRANTS = (
    "GRANT SELECT ON tenants, data_keys TO messaging_app",
    "GRANT SELECT, INSERT, UPDATE ON api_keys, provider_accounts, senders, templates, config_versions TO messaging_app",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON routing_rules TO messaging_app",
    "GRANT SELECT ON api_keys, provider_accounts, senders, routing_rules TO messaging_system",
    "GRANT SELECT, INSERT, UPDATE ON tenants, config_versions TO messaging_system",
    "GRANT SELECT, INSERT ON data_keys, admin_keys TO messaging_system",
    "GRANT SELECT, UPDATE ON templates TO messaging_system",
    "GRANT SELECT ON alembic_version TO messaging_app, messaging_system",
)

# Forced: also the owner sees nothing without a tenant. messaging_system works across tenants, within its grants.
ROW_SECURITY = """
DO $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['tenants', 'data_keys', 'api_keys', 'provider_accounts', 'senders', 'templates',
                             'routing_rules', 'config_versions'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY own_tenant ON %I TO messaging_app USING (%I = current_tenant()) '
                       'WITH CHECK (%I = current_tenant())', t,
                       CASE t WHEN 'tenants' THEN 'id' ELSE 'tenant_id' END,
                       CASE t WHEN 'tenants' THEN 'id' ELSE 'tenant_id' END);
        EXECUTE format('CREATE POLICY every_tenant ON %I TO messaging_system USING (true) WITH CHECK (true)', t);
    END LOOP;
END
$$
"""


def upgrade() -> None:
    connection = op.get_bind()
    for statement in (ROLES, CURRENT_TENANT, *TABLES, *VERSIONS, *GRANTS, ROW_SECURITY):
        connection.exec_driver_sql(statement)
