"""Doors for webhooks that do not come by HTTP are open as long as the process serves."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import pytest

from messaging.application.ports.providers.webhooks import Acknowledgement, Referred, TakeWebhook
from messaging.application.webhooks.receive import Duplicate, Forged, Stored, Unknown
from messaging.application.webhooks.receive_referred import StoreReferredWebhook
from messaging.domain.shared.ids import AccountId
from messaging.entrypoints.sockets.listening import CannotListen
from messaging.entrypoints.webhooks.doors import open_doors
from tests.builders import ACCOUNT

WEBHOOK = Referred(account_id=ACCOUNT, reference="v1", method="SMTP", query="", headers={}, body=b"")


class Accepting:
    """Answers what the test wants; remembers for which provider it was asked."""

    def __init__(self) -> None:
        self.outcome: Stored | Duplicate | Forged | Unknown = Stored(Acknowledgement())
        self.asked: list[str] = []

    async def knows(self, provider: str, account_id: AccountId, text: str) -> bool:
        self.asked.append(provider)
        return text == "v1"

    async def __call__(self, provider: str, referred: Referred) -> Stored | Duplicate | Forged | Unknown:
        self.asked.append(provider)
        return self.outcome


class Door:
    def __init__(self, *, busy: bool = False) -> None:
        self.take: TakeWebhook | None = None
        self._busy = busy

    @asynccontextmanager
    async def open(self, take: TakeWebhook) -> AsyncIterator[None]:
        if self._busy:
            raise OSError("address already in use")
        self.take = take
        yield
        self.take = None


async def test_a_door_gives_what_comes_to_the_store_of_its_provider() -> None:
    door, accepting = Door(), Accepting()

    async with open_doors({"smtp": door}, cast(StoreReferredWebhook, accepting)):
        assert door.take is not None
        assert await door.take.knows(ACCOUNT, "v1")
        assert not await door.take.knows(ACCOUNT, "v2")
        taken = []
        for outcome in (Stored(Acknowledgement()), Duplicate(Acknowledgement()), Forged(), Unknown()):
            accepting.outcome = outcome
            taken.append(await door.take(WEBHOOK))

    assert taken == [True, True, False, False]
    assert set(accepting.asked) == {"smtp"}
    assert door.take is None


async def test_a_port_that_is_taken_is_told_like_that_of_http() -> None:
    with pytest.raises(CannotListen, match="webhooks of smtp"):
        async with open_doors({"smtp": Door(busy=True)}, cast(StoreReferredWebhook, Accepting())):
            raise AssertionError("no door is open")
