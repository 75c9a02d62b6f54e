"""The sandbox: a Graph API without a real provider behind it."""

from messaging.entrypoints.sandbox.app import Sandbox, create_app
from messaging.entrypoints.sandbox.server import serve, serving
from messaging.entrypoints.sandbox.settings import SandboxConfig, Settings

__all__ = ["Sandbox", "SandboxConfig", "Settings", "create_app", "serve", "serving"]
