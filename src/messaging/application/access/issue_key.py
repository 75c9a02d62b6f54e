"""Issues a key for a tenant; the response is the only place where the secret appears."""

import secrets
from datetime import datetime

from messaging.application.access.keys import Choose, kind_of, make_key
from messaging.application.ports.clock import Clock, NewId
from messaging.application.ports.unit_of_work import OpenSystemUnitOfWork, OpenUnitOfWork
from messaging.application.tenants.views import IssuedKeyView
from messaging.domain.shared.errors import Violation
from messaging.domain.shared.ids import KeyId, Prefix, TenantId, typeid
from messaging.domain.shared.mode import BOTH_MODES, Mode
from messaging.domain.shared.refusals import invalid, not_found
from messaging.domain.tenants.quotas import ConfigurationQuotas, quota_exceeded
from messaging.domain.tenants.tenant import ApiKey, KeyRole


class IssueKey:
    def __init__(
        self,
        *,
        open_uow: OpenUnitOfWork,
        open_system_uow: OpenSystemUnitOfWork,
        clock: Clock,
        new_id: NewId,
        quotas: ConfigurationQuotas,
        choose: Choose = secrets.choice,
    ) -> None:
        self._quotas = quotas
        self._open = open_uow
        self._open_system = open_system_uow
        self._clock = clock
        self._new_id = new_id
        self._choose = choose

    async def __call__(
        self,
        tenant_id: TenantId,
        *,
        name: str,
        mode: Mode,
        expires_at: datetime | None = None,
        role: KeyRole = KeyRole.OWNER,
    ) -> IssuedKeyView:
        now = self._clock.now()
        if expires_at is not None and expires_at <= now:
            detail = "The key would have expired already. Use a later expires_at, or leave it out."
            raise invalid(Violation(pointer="/expires_at", code="expires_at_past", detail=detail))
        async with self._open_system() as uow:
            if await uow.platform.tenant(tenant_id) is None:
                raise not_found()
        text = make_key(kind_of(mode), self._choose)
        key = ApiKey(
            id=KeyId(self._new_id()),
            tenant_id=tenant_id,
            public_id=text.public_id,
            secret_sha256=text.secret_sha256,
            mode=mode,
            name=name,
            created_at=now,
            expires_at=expires_at,
            role=role,
        )
        async with self._open(tenant_id, BOTH_MODES) as uow_of_tenant:
            if not await uow_of_tenant.room.has_room("keys", self._quotas.keys):
                raise quota_exceeded("keys", self._quotas.keys)
            await uow_of_tenant.api_keys.add_key(key)
            await uow_of_tenant.commit()
        return IssuedKeyView(
            id=typeid(Prefix.KEY, key.id),
            name=name,
            mode=mode,
            role=role,
            hint=f"mpk_{mode}_{text.public_id}",
            created_at=now,
            expires_at=expires_at,
            key=text.reveal(),
        )
