"""The RateLimit response fields, which tell callers what is left (draft-ietf-httpapi-ratelimit-headers-10)."""

import math
from functools import lru_cache

from messaging.application.ports.submission_limits import Balance
from messaging.domain.tenants.limits import Policy

POLICY_HEADER = "RateLimit-Policy"
HEADER = "RateLimit"


def limit_headers(balances: tuple[Balance, ...]) -> dict[str, str]:
    """The two fields as structured fields (RFC 9651): q messages in w seconds; r are left, t seconds until all are
    there again.
    """
    if not balances:
        return {}
    left = ", ".join(f'"{it.policy.name}";r={it.remaining};t={math.ceil(it.resets_in)}' for it in balances)
    return {POLICY_HEADER: _policies(tuple(it.policy for it in balances)), HEADER: left}


@lru_cache
def _policies(policies: tuple[Policy, ...]) -> str:
    return ", ".join(f'"{it.name}";q={it.quota.messages};w={it.quota.seconds}' for it in policies)
