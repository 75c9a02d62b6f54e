"""Issues, lists, revokes and rotates the keys of the platform's administrators.

`by` is the key that asks; the command line asks without one, because whoever reaches the database may do everything. A
key that another administrator has just revoked can change nothing, even where a process still has it in its cache.
"""

import logging
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from msgspec import Struct
from msgspec.structs import asdict, replace

from messaging.application.access.keys import Choose, KeyKind, make_key
from messaging.application.ports.admin_keys import AdminKeys
from messaging.application.ports.clock import Clock, NewId
from messaging.application.ports.paging import Page, page_of
from messaging.application.ports.unit_of_work import OpenSystemUnitOfWork
from messaging.domain.shared.errors import DomainError, Violation
from messaging.domain.shared.ids import KeyId, Prefix, typeid
from messaging.domain.shared.refusals import invalid, not_found
from messaging.domain.tenants.admin_key import AdminKey, require_force

log = logging.getLogger(__name__)


class AdminKeyView(Struct, frozen=True, kw_only=True):
    """A platform administrator's key, without its secret."""

    id: str
    name: str
    hint: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None

    @classmethod
    def of(cls, key: AdminKey) -> "AdminKeyView":
        return cls(
            id=typeid(Prefix.KEY, key.id),
            name=key.name,
            hint=f"mpk_admin_{key.public_id}",
            created_at=key.created_at,
            expires_at=key.expires_at,
            revoked_at=key.revoked_at,
        )


class IssuedAdminKeyView(AdminKeyView, frozen=True, kw_only=True):
    """A new administrator's key. `key` is shown this once and cannot be recovered."""

    key: str


class RotatedAdminKeyView(IssuedAdminKeyView, frozen=True, kw_only=True):
    """A new administrator's key, and the key that it replaces, which ends with the overlap."""

    replaces: AdminKeyView


class IssueAdminKey:
    def __init__(
        self,
        *,
        open_system_uow: OpenSystemUnitOfWork,
        clock: Clock,
        new_id: NewId,
        choose: Choose = secrets.choice,
    ) -> None:
        self._open = open_system_uow
        self._clock = clock
        self._new_id = new_id
        self._choose = choose

    async def __call__(
        self, *, name: str, expires_at: datetime | None = None, by: KeyId | None = None
    ) -> IssuedAdminKeyView:
        new = _NewKey(name, expires_at, at=self._clock.now(), id=KeyId(self._new_id()), choose=self._choose)
        async with self._open() as uow:
            await _lock(uow.admin_keys, new.key.created_at, by)
            await uow.admin_keys.add(new.key)
            await uow.commit()
        log.info("admin_key.issued", extra={"key_id": str(new.key.id), "by": str(by)})
        return IssuedAdminKeyView(**asdict(AdminKeyView.of(new.key)), key=new.text)


class ListAdminKeys:
    """Revoked and expired ones included, newest first."""

    def __init__(self, *, open_system_uow: OpenSystemUnitOfWork) -> None:
        self._open = open_system_uow

    async def __call__(self, *, before: UUID | None, limit: int) -> Page[AdminKeyView, UUID]:
        async with self._open() as uow:
            rows = await uow.admin_keys.page(before=before, limit=limit + 1)
        return page_of(rows, limit, lambda key: key.id, AdminKeyView.of)


class RevokeAdminKey:
    """Revoking twice is the same as once. Every process refuses the key within five seconds."""

    def __init__(self, *, open_system_uow: OpenSystemUnitOfWork, clock: Clock) -> None:
        self._open = open_system_uow
        self._clock = clock

    async def __call__(self, id: KeyId, *, by: KeyId | None = None, force: bool = False) -> AdminKeyView:
        """Raises DomainError: `force_required`, `not_found`, `unauthorized`."""
        now = self._clock.now()
        async with self._open() as uow:
            working = await _lock(uow.admin_keys, now, by)
            left = [key for key in working if key.id != id]
            if len(left) < len(working) and not force:
                require_force(working, left, own=by == id)
            key = await uow.admin_keys.revoke(id, at=now)
            if key is None:
                raise not_found()
            await uow.commit()
        log.info("admin_key.revoked", extra={"key_id": str(id), "by": str(by), "force": force})
        return AdminKeyView.of(key)


class RotateAdminKey:
    """Issues a new key in place of an old one, which stays valid for a while but no longer than before."""

    def __init__(
        self,
        *,
        open_system_uow: OpenSystemUnitOfWork,
        clock: Clock,
        new_id: NewId,
        choose: Choose = secrets.choice,
    ) -> None:
        self._open = open_system_uow
        self._clock = clock
        self._new_id = new_id
        self._choose = choose

    async def __call__(
        self,
        id: KeyId,
        *,
        overlap: timedelta,
        expires_at: datetime | None = None,
        by: KeyId | None = None,
        force: bool = False,
    ) -> RotatedAdminKeyView:
        """Raises DomainError: `force_required`, `not_found`, `state_conflict`, `unauthorized`, `validation_failed`."""
        now = self._clock.now()
        async with self._open() as uow:
            working = await _lock(uow.admin_keys, now, by)
            old = next((key for key in working if key.id == id), None) or await _not_working(uow.admin_keys, id)
            new = _NewKey(old.name, expires_at, at=now, id=KeyId(self._new_id()), choose=self._choose)
            ended = replace(old, expires_at=min(now + overlap, old.expires_at or now + overlap))
            if not force:
                then = [new.key, *(ended if key is old else key for key in working)]
                after = [key for key in then if key.works_at(now)]
                require_force(working, after, own=by == id and not ended.works_at(now))
            await uow.admin_keys.add(new.key)
            await uow.admin_keys.end(id, at=ended.expires_at or now)
            await uow.commit()
        log.info("admin_key.rotated", extra={"key_id": str(new.key.id), "replaces": str(id), "by": str(by)})
        view = AdminKeyView.of(new.key)
        return RotatedAdminKeyView(**asdict(view), key=new.text, replaces=AdminKeyView.of(ended))


class _NewKey:
    """A key with its whole text, for the single response that shows it. Raises DomainError `validation_failed`."""

    def __init__(self, name: str, expires_at: datetime | None, *, at: datetime, id: KeyId, choose: Choose) -> None:
        if expires_at is not None and expires_at <= at:
            detail = "The key would have expired already. Use a later expires_at, or leave it out."
            raise invalid(Violation(pointer="/expires_at", code="expires_at_past", detail=detail))
        text = make_key(KeyKind.ADMIN, choose)
        self.text = text.reveal()
        self.key = AdminKey(
            id=id,
            public_id=text.public_id,
            secret_sha256=text.secret_sha256,
            name=name,
            created_at=at,
            expires_at=expires_at,
        )


async def _lock(keys: AdminKeys, now: datetime, by: KeyId | None) -> Sequence[AdminKey]:
    """Lock the keys that are valid. Raises DomainError `unauthorized` if the asking key is not among them."""
    working = await keys.lock_working(at=now)
    if by is not None and all(key.id != by for key in working):
        raise DomainError("unauthorized", "This key was revoked or has expired. Nothing was changed.")
    return working


async def _not_working(keys: AdminKeys, id: KeyId) -> AdminKey:
    """The key that cannot be changed. Raises DomainError: `not_found`, or `state_conflict` for a revoked or expired
    key.
    """
    if await keys.find(id) is None:
        raise not_found()
    raise DomainError("state_conflict", "This key is revoked or has expired. Issue a new one in its place.")
