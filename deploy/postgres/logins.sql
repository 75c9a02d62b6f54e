-- The three database logins of an installation. Run by a superuser, with psql, in the database of the platform:
--
--   MESSAGING_OWNER_PASSWORD=… MESSAGING_APP_PASSWORD=… MESSAGING_SYSTEM_PASSWORD=… psql -X -d messaging -f logins.sql
--
--   messaging_owner         owns the tables          APP_DATABASE_OWNER_URL   app migrate
--   messaging_app_login     work of one tenant       APP_DATABASE_URL         app api, worker, webhooks
--   messaging_system_login  work across tenants      APP_DATABASE_SYSTEM_URL  app api, worker, webhooks
--
-- A password can also be in a file that MESSAGING_…_PASSWORD_FILE names. May be run again at any time: passwords become
-- those given. An installation whose tables belong to another login (a superuser, until now) hands them over.
\set ON_ERROR_STOP on

\getenv owner_password MESSAGING_OWNER_PASSWORD
\getenv app_password MESSAGING_APP_PASSWORD
\getenv system_password MESSAGING_SYSTEM_PASSWORD
\if :{?owner_password}
\else
\set owner_password `cat "$MESSAGING_OWNER_PASSWORD_FILE"`
\endif
\if :{?app_password}
\else
\set app_password `cat "$MESSAGING_APP_PASSWORD_FILE"`
\endif
\if :{?system_password}
\else
\set system_password `cat "$MESSAGING_SYSTEM_PASSWORD_FILE"`
\endif

SELECT (:'owner_password' = '' OR :'app_password' = '' OR :'system_password' = '') AS a_password_is_missing \gset
\if :a_password_is_missing
DO $$ BEGIN RAISE EXCEPTION 'set MESSAGING_OWNER_PASSWORD, MESSAGING_APP_PASSWORD and MESSAGING_SYSTEM_PASSWORD'; END $$;
\endif

BEGIN;

SELECT format('CREATE ROLE %I NOLOGIN', wanted)
FROM unnest(ARRAY['messaging_app', 'messaging_system', 'messaging_owner', 'messaging_app_login',
                  'messaging_system_login']) AS wanted
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted)
\gexec

ALTER ROLE messaging_owner LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOCREATEDB NOREPLICATION
    PASSWORD :'owner_password';
ALTER ROLE messaging_app_login LOGIN NOINHERIT NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOCREATEDB NOREPLICATION
    PASSWORD :'app_password';
ALTER ROLE messaging_system_login LOGIN NOINHERIT NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOCREATEDB NOREPLICATION
    PASSWORD :'system_password';

-- Each work's login is a member of its own role and of nothing else; the owner lets others in (`app migrate`).
SELECT format('REVOKE %s FROM %I CASCADE', m.roleid::regrole, l.rolname)
FROM pg_auth_members m JOIN pg_roles l ON l.oid = m.member
WHERE l.rolname IN ('messaging_app_login', 'messaging_system_login')
\gexec
GRANT messaging_app, messaging_system TO messaging_owner WITH ADMIN OPTION;
GRANT messaging_app TO messaging_app_login;
GRANT messaging_system TO messaging_system_login;

-- What is in the database already becomes the owner's. Indexes, partitions' types and sequences of columns follow.
SELECT format('ALTER DATABASE %I OWNER TO messaging_owner', current_database())
\gexec
SELECT format('ALTER %s %s OWNER TO messaging_owner',
              CASE relkind WHEN 'v' THEN 'VIEW' WHEN 'S' THEN 'SEQUENCE' WHEN 'c' THEN 'TYPE' ELSE 'TABLE' END,
              c.oid::regclass)
FROM pg_class c
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'S', 'c')
  AND c.relowner <> 'messaging_owner'::regrole
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype IN ('a', 'i', 'e') AND c.relkind = 'S')
\gexec
SELECT format('ALTER ROUTINE %s OWNER TO messaging_owner', p.oid::regprocedure)
FROM pg_proc p
WHERE p.pronamespace = 'public'::regnamespace AND p.proowner <> 'messaging_owner'::regrole
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
\gexec

COMMIT;
