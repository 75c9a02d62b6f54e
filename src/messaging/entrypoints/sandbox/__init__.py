"""The sandbox: look-alikes of providers' APIs. There is one, of WhatsApp's."""

from functools import partial

from messaging.entrypoints.sandbox.core import server
from messaging.entrypoints.sandbox.core.settings import SandboxConfig, Settings
from messaging.entrypoints.sandbox.whatsapp_cloud.app import Sandbox, create_app

serve = partial(server.serve, create_app)
serving = partial(server.serving, create_app)

__all__ = ["Sandbox", "SandboxConfig", "Settings", "create_app", "serve", "serving"]
