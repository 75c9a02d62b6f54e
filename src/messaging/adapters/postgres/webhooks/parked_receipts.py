"""Parked receipts: stored while no attempt with their provider's message id is known, and matched once there is one."""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from asyncpg import Record
from msgspec.structs import replace

from messaging.adapters.postgres.session.transactions import Driver
from messaging.application.ports.parked_receipts import ParkedReceipt
from messaging.domain.messages.receipts import Receipt
from messaging.domain.shared.ids import AccountId, TenantId

# Index: parked_receipts_pkey. Most early receipts overtook our own commit by milliseconds, so the first look is soon.
PARK: Final = """
INSERT INTO parked_receipts
    (tenant_id, account_id, provider_message_id, digest, receipt, parked_at, tries, next_look_at)
SELECT g.*, clock_timestamp() + interval '10 seconds'
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::bytea[], $5::bytea[], $6::timestamptz[], $7::int[]) AS g
ON CONFLICT DO NOTHING
"""

_PARKED: Final = "p.tenant_id, p.account_id, p.receipt, p.parked_at, p.tries, p.digest"

# Index: parked_receipts_provider_message_idx.
LOCK_PARKED: Final = f"""
SELECT {_PARKED}
FROM parked_receipts p JOIN unnest($1::uuid[], $2::text[]) AS k(account_id, provider_message_id)
    ON p.account_id = k.account_id AND p.provider_message_id = k.provider_message_id
ORDER BY p.tenant_id, p.account_id, p.provider_message_id, p.digest
FOR UPDATE OF p
"""

# Index: parked_receipts_next_look_idx.
LOCK_PARKED_DUE: Final = f"""
SELECT {_PARKED}
FROM parked_receipts p
WHERE p.next_look_at <= statement_timestamp()
ORDER BY p.next_look_at
LIMIT $1
FOR UPDATE SKIP LOCKED
"""

UNPARK: Final = """
DELETE FROM parked_receipts p
USING unnest($1::uuid[], $2::uuid[], $3::text[], $4::bytea[]) AS k(tenant_id, account_id, provider_message_id, digest)
WHERE p.tenant_id = k.tenant_id AND p.account_id = k.account_id
  AND p.provider_message_id = k.provider_message_id AND p.digest = k.digest
"""

PARK_AGAIN: Final = """
UPDATE parked_receipts p SET tries = p.tries + 1, next_look_at = k.next_look_at
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::bytea[], $5::timestamptz[])
    AS k(tenant_id, account_id, provider_message_id, digest, next_look_at)
WHERE p.tenant_id = k.tenant_id AND p.account_id = k.account_id
  AND p.provider_message_id = k.provider_message_id AND p.digest = k.digest
"""

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Receipt] = msgspec.msgpack.Decoder(Receipt)


class PostgresParkedReceipts:
    """Parked receipts, in one open transaction of the role `messaging_system`."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def park(self, parked: Sequence[ParkedReceipt]) -> None:
        if parked:
            rows = sorted((*_place(item), _bare(item.receipt), item.parked_at, item.tries) for item in parked)
            await self._driver.execute(PARK, *zip(*rows, strict=True))

    async def lock(self, provider_ids: Sequence[tuple[AccountId, str]]) -> Sequence[ParkedReceipt]:
        accounts, texts = [account for account, _ in provider_ids], [text for _, text in provider_ids]
        return [_parked(row) for row in await self._driver.fetch(LOCK_PARKED, accounts, texts)]

    async def lock_due(self, limit: int) -> Sequence[ParkedReceipt]:
        return [_parked(row) for row in await self._driver.fetch(LOCK_PARKED_DUE, limit)]

    async def unpark(self, matched: Sequence[ParkedReceipt]) -> None:
        if matched:
            await self._driver.execute(UNPARK, *zip(*map(_place, matched), strict=True))

    async def park_again(self, unmatched: Sequence[tuple[ParkedReceipt, datetime | None]]) -> None:
        await self.unpark([parked for parked, at in unmatched if at is None])
        if rows := [(*_place(parked), at) for parked, at in unmatched if at is not None]:
            await self._driver.execute(PARK_AGAIN, *zip(*rows, strict=True))


def _parked(row: Record) -> ParkedReceipt:
    return ParkedReceipt(
        tenant_id=TenantId(row["tenant_id"]),
        account_id=AccountId(row["account_id"]),
        receipt=_decoder.decode(row["receipt"]),
        parked_at=row["parked_at"],
        tries=row["tries"],
        digest=row["digest"],
    )


def _place(parked: ParkedReceipt) -> tuple[Any, ...]:
    """A parked receipt's primary key; repeats of a receipt have the same key.

    A receipt that is stored already keeps the digest it was stored under: another release may have computed it.
    """
    told = replace(parked.receipt, recipient_ids=(), participant_id=None, sealed_recipient=None)
    digest = parked.digest or hashlib.sha256(_encoder.encode(told)).digest()
    return parked.tenant_id, parked.account_id, parked.receipt.provider_message_id, digest


def _bare(receipt: Receipt) -> bytes:
    """The receipt as stored, with people's addresses only sealed: no phone number is stored unencrypted."""
    return _encoder.encode(replace(receipt, recipient_ids=(), participant_id=None))
