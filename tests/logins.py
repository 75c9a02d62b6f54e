"""Test databases as our processes see them: by two logins that may do nothing but their own work."""

from sqlalchemy import make_url

from messaging.entrypoints.lab.dev.servers.logins import Login, Logins


def as_login(url: str, login: Login) -> str:
    """The same database, by another login."""
    return make_url(url).set(username=login.user, password=login.password).render_as_string(hide_password=False)


def database_settings(url: str, logins: Logins) -> dict[str, str]:
    """What the environment says of a database in production."""
    return {
        "APP_DATABASE_URL": as_login(url, logins.tenants),
        "APP_DATABASE_SYSTEM_URL": as_login(url, logins.system),
    }
