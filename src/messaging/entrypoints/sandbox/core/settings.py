"""The sandbox's settings, which can be changed while it runs, and their defaults."""

from pathlib import Path
from typing import Annotated

import msgspec

Probability = Annotated[float, msgspec.Meta(ge=0, le=1)]
Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=86_400_000)]
Count = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Behaviour that may change while the sandbox runs; `POST /_control/settings` replaces single fields."""

    webhook_delay_min_ms: Milliseconds = 20
    """Shortest time between two consecutive statuses of one message."""
    webhook_delay_max_ms: Milliseconds = 120
    webhook_late_ms: Milliseconds = 5_000
    """How long the recipient with late statuses keeps them back."""
    webhook_batch_max: Annotated[int, msgspec.Meta(ge=1, le=1_000)] = 100
    """Most updates in one POST; the documented ceiling is 1000."""
    webhook_concurrency: Annotated[int, msgspec.Meta(ge=1, le=256)] = 8
    """POSTs in flight per webhook URL."""
    webhook_timeout_ms: Milliseconds = 10_000
    webhook_retry_initial_ms: Milliseconds = 100
    webhook_retry_max_ms: Milliseconds = 5_000
    webhook_retry_attempts: Count = 500
    """Tries per POST, the first included; afterwards its updates are given up."""
    duplicate_probability: Probability = 0.0
    """Chance that one status is delivered a second time."""
    reorder_probability: Probability = 0.0
    """Chance that a message's statuses are sent in reverse order."""
    drop_probability: Probability = 0.0
    """Chance that one status is never sent."""
    webhook_seed: int | None = None
    """Makes the three chances above repeatable: they depend on this and on the ledger position alone."""
    echo_on_failed: bool = True
    """Whether a `failed` status repeats the reference that the message was sent with; both are seen in the field."""
    conversation_in_statuses: bool = False
    """Webhook versions before v24.0 carried a `conversation` object in statuses."""
    review_delay_ms: Milliseconds = 300
    """From creating or editing a template to its review result."""
    slow_ms: Milliseconds = 3_000
    """How long the slow recipient (and a `slow` fault without `ms`) waits with its answer."""
    hang_max_ms: Milliseconds = 120_000
    """After this time a hanging request is cut off, so that nothing hangs for ever."""
    throughput_mps: Annotated[float, msgspec.Meta(gt=0)] | None = 80.0
    """Messages per second and number, inbound included; null switches the limit off."""
    pair_limit: bool = True
    pair_burst: Count = 45
    """Messages one number may send one user within `pair_interval_ms` before it must pause."""
    pair_interval_ms: Annotated[int, msgspec.Meta(ge=1)] = 6_000
    """Time one message to the same user costs."""
    window_enforced: bool = True
    window_hours: Annotated[float, msgspec.Meta(gt=0)] = 24.0
    """How long after a user's message free-form content may be sent."""


class SandboxConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What is fixed for the life of one sandbox process."""

    state_dir: Path
    """Ledger, accounts, templates and undelivered webhooks live here; one process per directory."""
    settings: Settings = Settings()
    """Starting point; changes made at run time are kept in `state_dir` and applied on top."""
    control_token: str | None = None
    """When set, everything under `/_` asks for it as a bearer token."""
    fsync: bool = True
    """Whether accepted sends also survive losing the machine, not only the process."""
    instance: str | None = None
    """What `/healthz` calls this sandbox."""
    host: str = "127.0.0.1"
    """Where look-alikes listen that speak something else than HTTP: where the sandbox itself listens."""


class Tuning:
    """The settings in force now."""

    def __init__(self, defaults: Settings) -> None:
        self.current = defaults
        self._defaults = defaults

    def apply(self, changes: dict[str, object]) -> None:
        """Replace the named fields; raises `msgspec.ValidationError` and changes nothing on a bad one."""
        merged = msgspec.to_builtins(self.current) | changes
        settings = msgspec.convert(merged, Settings)
        if settings.webhook_delay_min_ms > settings.webhook_delay_max_ms:
            raise msgspec.ValidationError("webhook_delay_min_ms is above webhook_delay_max_ms")
        self.current = settings

    def changes(self) -> dict[str, object]:
        """The fields that differ from the defaults this process started with."""
        defaults = msgspec.to_builtins(self._defaults)
        return {k: v for k, v in msgspec.to_builtins(self.current).items() if defaults[k] != v}
