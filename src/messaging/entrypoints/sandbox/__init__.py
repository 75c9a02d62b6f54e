"""The sandbox: look-alikes of providers' APIs in one process, with one ledger."""

from collections.abc import Mapping
from functools import partial
from typing import Final

from messaging.entrypoints.sandbox.core import server
from messaging.entrypoints.sandbox.core.app import BuildLookAlike, Sandbox
from messaging.entrypoints.sandbox.core.settings import SandboxConfig, Settings
from messaging.entrypoints.sandbox.smtp.app import Smtp
from messaging.entrypoints.sandbox.twilio.app import Twilio
from messaging.entrypoints.sandbox.whatsapp_cloud.app import WhatsAppCloud

# A line for each provider, by its name, in the order in which they are asked: the last one serves paths of every kind.
LOOK_ALIKES: Final[Mapping[str, BuildLookAlike]] = {
    "twilio": Twilio,
    "smtp": Smtp,
    "whatsapp_cloud": WhatsAppCloud,
}


def create_app(config: SandboxConfig) -> Sandbox:
    """A sandbox on `config.state_dir`; raises `StateInUse` when another process has it."""
    return Sandbox(config, LOOK_ALIKES)


serve = partial(server.serve, create_app)
serving = partial(server.serving, create_app)

__all__ = ["Sandbox", "SandboxConfig", "Settings", "create_app", "serve", "serving"]
