"""The database logins of a process, judged: in production none may do more than its own work needs."""

import logging
from typing import Final

from messaging.application.ports.health import Check, LoginRights, Logins
from messaging.application.ports.unit_of_work import StoreUnavailable
from messaging.entrypoints.settings.settings import BadSettings, Problem, Settings

log = logging.getLogger(__name__)

_SETTINGS: Final = {"messaging_app": "APP_DATABASE_URL", "messaging_system": "APP_DATABASE_SYSTEM_URL"}
_MEND: Final = "Make the three logins with deploy/postgres/logins.sql, set their URLs, then: app migrate"


async def refuse_excess(logins: Logins, settings: Settings) -> None:
    """Raises BadSettings in production if a login may do more than its work; in development that is a line in the log.

    A database that does not answer is no reason to end: `LoginCheck` tells as soon as it does.
    """
    try:
        excessive = [rights for rights in await logins.rights() if rights.excess]
    except StoreUnavailable:
        log.warning("logins.not_checked")
        return
    if excessive and settings.is_production:
        raise BadSettings(tuple(Problem(name=_SETTINGS[rights.role], detail=_told(rights)) for rights in excessive))
    for rights in excessive:
        log.warning("login.over_privileged", extra={"login": rights.login, "excess": list(rights.excess)})


class LoginCheck:
    """The check of logins for `/readyz` and `app doctor`."""

    def __init__(self, logins: Logins, settings: Settings) -> None:
        self._logins = logins
        self._settings = settings

    async def __call__(self) -> Check:
        """Raises StoreUnavailable."""
        rights = await self._logins.rights()
        locked_out = [
            f"{login.login} may not assume {login.role}: app migrate" for login in rights if not login.assumes
        ]
        excessive = [f"{_SETTINGS[login.role]} {_told(login)}" for login in rights if login.excess]
        production = self._settings.is_production
        detail = "; ".join(locked_out + excessive) or "each may do its own work and nothing else"
        if excessive and not production:
            detail += " (tolerated: this is no production installation)"
        return Check(name="logins", ok=not locked_out and not (excessive and production), detail=detail)


def _told(rights: LoginRights) -> str:
    return f"is a login that may do too much: {rights.login} {', '.join(rights.excess)}. {_MEND}"
