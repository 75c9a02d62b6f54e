"""The sandbox: a Graph API without a real provider behind it."""

from messaging.entrypoints.sandbox.core.server import serve, serving
from messaging.entrypoints.sandbox.core.settings import SandboxConfig, Settings
from messaging.entrypoints.sandbox.whatsapp_cloud.app import Sandbox, create_app

__all__ = ["Sandbox", "SandboxConfig", "Settings", "create_app", "serve", "serving"]
