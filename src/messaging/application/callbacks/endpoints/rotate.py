"""Replaces the secret of a callback endpoint; for a while callbacks are signed with both."""

import secrets
from datetime import timedelta
from typing import Final

from messaging.application.callbacks.endpoints.create import RandomBytes, new_secret
from messaging.application.callbacks.endpoints.one_endpoint import locked, refuse_pulled
from messaging.application.callbacks.endpoints.sealing import CipherOf
from messaging.application.callbacks.endpoints.views import CallbackEndpointDetailView, RotatedSecretView
from messaging.application.ports.clock import Clock, NewId
from messaging.application.ports.unit_of_work import OpenUnitOfWork
from messaging.domain.callbacks.signature import SECRET_BYTES, secret_text
from messaging.domain.shared.errors import DomainError
from messaging.domain.shared.ids import CallbackEndpointId, Prefix, typeid
from messaging.domain.tenants.tenant import Principal

LONGEST_OVERLAP: Final = timedelta(days=7)
USUAL_OVERLAP: Final = timedelta(hours=24)


class RotateSecret:
    """Callbacks are signed with the new secret at once, those that wait already included."""

    def __init__(
        self,
        *,
        open_uow: OpenUnitOfWork,
        cipher_of: CipherOf,
        clock: Clock,
        new_id: NewId,
        random: RandomBytes = secrets.token_bytes,
    ) -> None:
        self._open = open_uow
        self._cipher_of = cipher_of
        self._clock = clock
        self._new_id = new_id
        self._random = random

    async def __call__(
        self, principal: Principal, id: CallbackEndpointId, *, overlap: timedelta, force: bool
    ) -> RotatedSecretView:
        """The old secret signs for `overlap` more. Raises DomainError: not_found, state_conflict,
        rotation_in_progress.
        """
        cipher = await self._cipher_of(principal.tenant_id)
        key, now = self._random(SECRET_BYTES), self._clock.now()
        async with self._open(principal.tenant_id, principal.mode) as uow:
            refuse_pulled(await locked(uow, id))
            live = await uow.callback_secrets.live(id, at=now)
            if len(live) > 1 and not force:
                raise DomainError("rotation_in_progress", _OVERLAP)
            # At most two sign at once: of a third, the oldest ends now.
            await uow.callback_secrets.forget(id, keep_current=bool(overlap))
            await uow.callback_secrets.expire(id, at=now + overlap)
            await uow.callback_secrets.add(new_secret(cipher, id, self._new_id, key, at=now))
            await uow.commit()
        return RotatedSecretView(
            endpoint_id=typeid(Prefix.CALLBACK_ENDPOINT, id),
            secret=secret_text(key),
            created_at=now,
            previous_secret_expires_at=now + overlap if overlap else None,
        )


class RevokePreviousSecret:
    """Ends the overlap of a rotation: only the newest secret signs from now on."""

    def __init__(self, *, open_uow: OpenUnitOfWork, cipher_of: CipherOf, clock: Clock) -> None:
        self._open = open_uow
        self._cipher_of = cipher_of
        self._clock = clock

    async def __call__(self, principal: Principal, id: CallbackEndpointId) -> CallbackEndpointDetailView:
        """Where there is no previous secret, nothing changes. Raises DomainError: not_found, state_conflict."""
        cipher = await self._cipher_of(principal.tenant_id)
        async with self._open(principal.tenant_id, principal.mode) as uow:
            endpoint = await locked(uow, id)
            refuse_pulled(endpoint)
            await uow.callback_secrets.forget(id, keep_current=True)
            live = await uow.callback_secrets.live(id, at=self._clock.now())
            await uow.commit()
        return CallbackEndpointDetailView.with_secrets(endpoint, live, cipher, principal)


_OVERLAP: Final = (
    "The secret was rotated already, and the one before it still signs. Wait until it ends, revoke it "
    "(POST …/revoke-previous-secret), or rotate with `force`, which ends it now."
)
