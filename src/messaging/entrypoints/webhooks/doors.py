"""Opens the providers' doors for webhooks that do not come by HTTP, beside the listener for those that do."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from messaging.application.ports.providers.webhooks import Referred, WebhookDoor
from messaging.application.webhooks.receive import Duplicate, Stored
from messaging.application.webhooks.receive_referred import StoreReferredWebhook
from messaging.domain.shared.ids import AccountId
from messaging.entrypoints.sockets.listening import CannotListen


class _Taking:
    """Takes in what comes through the door of one provider. It is answered for only when it is stored."""

    def __init__(self, provider: str, accept: StoreReferredWebhook) -> None:
        self._provider = provider
        self._accept = accept

    async def knows(self, account_id: AccountId, reference: str) -> bool:
        return await self._accept.knows(self._provider, account_id, reference)

    async def __call__(self, referred: Referred) -> bool:
        return isinstance(await self._accept(self._provider, referred), Stored | Duplicate)


@asynccontextmanager
async def open_doors(doors: Mapping[str, WebhookDoor], accept: StoreReferredWebhook) -> AsyncIterator[None]:
    """All of them, for the length of the block. Raises CannotListen."""
    async with AsyncExitStack() as stack:
        for provider, door in doors.items():
            try:
                await stack.enter_async_context(door.open(_Taking(provider, accept)))
            except OSError as error:
                raise CannotListen(f"cannot listen for the webhooks of {provider}: {error}") from error
        yield
