"""The hot statements, for the command that prints them: outside of composition nothing knows adapters."""

from messaging.adapters.postgres.hot_statements import BY_NAME, HotStatement

__all__ = ["BY_NAME", "HotStatement"]
