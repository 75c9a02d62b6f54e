"""Submission limits of a tenant: how many messages per time window, in total and per key, channel and category."""

from collections.abc import Iterator, Mapping, Sequence

from msgspec import UNSET, Struct, UnsetType, field

from messaging.domain.channels.address import Channel


class Quota(Struct, frozen=True, kw_only=True):
    """At most `messages` in a window of `seconds`; a window begins with the first message after the previous window."""

    messages: int
    seconds: int


class SubmissionLimits(Struct, frozen=True, kw_only=True):
    """UNSET follows the platform's default, None means no limit. `key` applies to each key separately."""

    tenant: Quota | UnsetType | None = UNSET
    key: Quota | UnsetType | None = UNSET
    channels: Mapping[Channel, Quota] = field(default_factory=dict)
    categories: Mapping[str, Quota] = field(default_factory=dict)


class Policy(Struct, frozen=True):
    """One limit by its public name, such as `tenant` or `category-marketing`."""

    name: str
    quota: Quota


def policies(
    own: SubmissionLimits | None,
    default: SubmissionLimits,
    submitted: Sequence[tuple[Channel, str]],
    refused: int = 0,
) -> Iterator[tuple[Policy, int]]:
    """The limits that apply to messages of these channels and categories, each with the number of messages it counts.

    `refused` is the number of further messages that broke a rule; their channels and categories need not be known.
    """
    limits = own or default
    for name, quota, fallback in (("tenant", limits.tenant, default.tenant), ("key", limits.key, default.key)):
        if chosen := fallback if quota is UNSET else quota:
            yield Policy(name, chosen), len(submitted) + refused
    for channel, quota in limits.channels.items():
        if count := sum(each == channel for each, _ in submitted):
            yield Policy(f"channel-{channel}", quota), count
    for category, quota in limits.categories.items():
        if count := sum(each == category for _, each in submitted):
            yield Policy(f"category-{category}", quota), count
