"""Which limits apply to what a tenant submits?"""

from messaging.domain.channels.address import Channel
from messaging.domain.tenants.limits import Quota, SubmissionLimits, policies

A, B = Quota(messages=10, seconds=1), Quota(messages=20, seconds=60)
SUBMITTED = [(Channel.WHATSAPP, "utility"), (Channel.WHATSAPP, "marketing"), (Channel.SMS, "marketing")]


def applied(own: SubmissionLimits | None, default: SubmissionLimits) -> list[tuple[str, Quota, int]]:
    return [(policy.name, policy.quota, count) for policy, count in policies(own, default, SUBMITTED)]


def test_a_tenant_without_limits_of_its_own_has_the_platforms() -> None:
    default = SubmissionLimits(tenant=A, key=None)

    assert applied(None, default) == [("tenant", A, 3)]
    assert applied(SubmissionLimits(), default) == [("tenant", A, 3)]


def test_its_own_limits_replace_them_and_null_lifts_them() -> None:
    default = SubmissionLimits(tenant=A, key=A)

    assert applied(SubmissionLimits(tenant=B, key=None), default) == [("tenant", B, 3)]


def test_channels_and_categories_count_their_own_messages() -> None:
    own = SubmissionLimits(
        tenant=None,
        key=None,
        channels={Channel.SMS: A, Channel.EMAIL: A},
        categories={"marketing": B, "authentication": A},
    )

    assert applied(own, SubmissionLimits(tenant=A)) == [("channel-sms", A, 1), ("category-marketing", B, 2)]


def test_platform_defaults_without_any_limit_are_no_policy() -> None:
    assert list(policies(None, SubmissionLimits(tenant=None), SUBMITTED)) == []
