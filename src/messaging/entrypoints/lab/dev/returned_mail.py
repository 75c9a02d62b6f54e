"""Returned mail on a local platform: undeliverable e-mail of test tenants comes back to the platform's own listener."""

from typing import Final

from messaging.entrypoints.composition.providers import BY_NAME
from messaging.entrypoints.lab.dev.client import LocalClient
from messaging.entrypoints.lab.dev.processes.loopback import HOST

_PROVIDER: Final = "smtp"
# The domain that mail returns to; the platform is its mail exchanger.
_DOMAIN: Final = "returns.sandbox.test"


def settings(port: int | None) -> dict[str, str]:
    """The settings of a listener on this port; none without the provider that has one."""
    if port is None or _PROVIDER not in BY_NAME:
        return {}
    return {"APP_SMTP_RETURN_DOMAIN": _DOMAIN, "APP_SMTP_INBOUND_HOST": HOST, "APP_SMTP_INBOUND_PORT": str(port)}


async def tell(sandbox: str, port: int | None) -> None:
    """Tells the sandbox's mail server where mail to the domain is taken."""
    if port is not None and _PROVIDER in BY_NAME:
        async with LocalClient(sandbox) as control:
            await control.post("/_control/smtp", {"exchangers": {_DOMAIN: f"{HOST}:{port}"}})
