"""A look-alike may hand its webhooks over by other means than a POST; they are tried again and logged all the same."""

import asyncio
from pathlib import Path

import msgspec

from messaging.entrypoints.sandbox.core.settings import Settings, Tuning
from messaging.entrypoints.sandbox.core.storage.append_log import AppendLog
from messaging.entrypoints.sandbox.core.webhooks import Delivery, Item, Packing, Parcel, Webhooks


async def test_what_is_carried_is_tried_until_it_is_taken(tmp_path: Path) -> None:
    log = AppendLog(tmp_path / "webhooks.jsonl", fsync=False)
    webhooks = Webhooks(log, Tuning(Settings(webhook_retry_initial_ms=1, webhook_retry_max_ms=1)))
    carried: list[tuple[str, bytes]] = []
    settled = asyncio.Event()

    async def carry(url: str, parcel: Parcel) -> int:
        carried.append((url, parcel.body))
        if len(carried) == 1:
            raise OSError("nobody there")
        return 451 if len(carried) == 2 else 200

    packing = Packing[str](lambda items: Parcel(items[0].update.encode(), {}), most=1, carry=carry)
    await webhooks.open()
    webhooks.put(
        Item(url="mailto:a@b.test", secret="", packing=packing, update="hello", marks=(7,), settled=settled.set)
    )
    await asyncio.wait_for(settled.wait(), timeout=60)
    await webhooks.close()

    logged = [msgspec.json.decode(line, type=Delivery) for line in log.lines()]
    assert carried == [("mailto:a@b.test", b"hello")] * 3
    assert [(it.acked, it.final, it.status, it.error) for it in logged] == [
        (False, False, 0, "OSError"),
        (False, False, 451, None),
        (True, True, 200, None),
    ]
    assert logged[-1].marks == [7]
    await log.close()
