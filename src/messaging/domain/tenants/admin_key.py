"""A platform administrator's key: when it is valid, and which changes of keys could lock all administrators out."""

import hashlib
import hmac
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from msgspec import Struct

from messaging.domain.shared.errors import DomainError, Violation
from messaging.domain.shared.ids import KeyId

# Later than any instant a key can expire at.
_NEVER: Final = datetime.max.replace(tzinfo=UTC)


class AdminKey(Struct, frozen=True, kw_only=True):
    """An administrator's key, which opens /admin/v1 only. Of the secret only the SHA-256 is stored."""

    id: KeyId
    public_id: str
    secret_sha256: bytes
    name: str
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None

    def works_at(self, now: datetime) -> bool:
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > now)

    def opens_with(self, secret: str, *, now: datetime) -> bool:
        """Whether the secret is right and the key valid. The comparison takes constant time and comes first, so that
        timing does not tell whether the key is revoked.
        """
        right = hmac.compare_digest(hashlib.sha256(secret.encode()).digest(), self.secret_sha256)
        return right and self.works_at(now)


def require_force(before: Iterable[AdminKey], after: Iterable[AdminKey], *, own: bool) -> None:
    """Raises DomainError `force_required`, with every reason, for a change of the valid keys to `after`.

    Reasons are that the last valid key would end earlier than before, or that a key ends itself (`own`).
    """
    reasons = []
    now_until, then_until = _last_end(before), _last_end(after)
    if then_until is None or (now_until is not None and then_until < now_until):
        reasons.append(_last_key(then_until))
    if own:
        detail = "The request was made with this key, and it would stop at once. Use another key, or force it."
        reasons.append(Violation(pointer="/force", code="own_admin_key", detail=detail))
    if reasons:
        raise DomainError(
            "force_required", "Administrators could lock themselves out; errors lists every reason.", tuple(reasons)
        )


def _last_key(then_until: datetime | None) -> Violation:
    left = (
        "No admin key would work any more."
        if then_until is None
        else f"The last admin key that works would end at {then_until.isoformat()}, earlier than at present."
    )
    mend = "Issue one that lasts first, or force it."
    return Violation(pointer="/force", code="last_admin_key", detail=f"{left} {mend}")


def _last_end(working: Iterable[AdminKey]) -> datetime | None:
    """When the last of the keys ends; None without any."""
    return max((key.expires_at or _NEVER for key in working), default=None)
