"""What a Graph API caller sees when no real provider is involved: the sandbox and how to start it."""

from messaging.entrypoints.sandbox.app import Sandbox, create_app
from messaging.entrypoints.sandbox.server import serve, serving
from messaging.entrypoints.sandbox.settings import SandboxConfig, Settings

__all__ = ["Sandbox", "SandboxConfig", "Settings", "create_app", "serve", "serving"]
