"""What the providers of messages can prove, from the configuration in memory."""

from messaging.application.ports.providers.descriptor import Providers
from messaging.application.ports.snapshots import Snapshots
from messaging.domain.channels.capabilities import Capabilities
from messaging.domain.messages.message_state import MessageState
from messaging.domain.messages.unclear_sends import NOT_KNOWN


class AccountCapabilities:
    """What a message's provider can prove; `NOT_KNOWN` where its account or provider is gone. `of_provider` holds the
    capabilities of each by name.
    """

    def __init__(self, *, snapshots: Snapshots, providers: Providers) -> None:
        self._snapshots = snapshots
        self.of_provider = {name: provider.capabilities for name, provider in providers.items()}

    async def __call__(self, message: MessageState) -> Capabilities:
        """Raises StoreUnavailable where the tenant is not in memory and cannot be read."""
        facts = await self._snapshots.tenant(message.key.tenant_id)
        account = None if facts is None else facts.accounts.get(message.account_id)
        return NOT_KNOWN if account is None else self.of_provider.get(account.provider, NOT_KNOWN)
