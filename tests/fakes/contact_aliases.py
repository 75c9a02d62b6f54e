"""Who is who, in a dict."""

from collections.abc import Collection, Sequence
from collections.abc import Set as AbstractSet

from messaging.application.ports.contact_aliases import NewAlias
from messaging.domain.channels.address import Channel
from messaging.domain.shared.ids import TenantId
from messaging.domain.shared.mode import Mode


class InMemoryContactAliases:
    """Names are looked up for one tenant and mode."""

    def __init__(self, tenant_id: TenantId, mode: Mode) -> None:
        self.canonical: dict[tuple[TenantId, Mode, bytes, Channel], bytes] = {}
        self._own = tenant_id, mode

    async def learn(self, aliases: Sequence[NewAlias]) -> AbstractSet[bytes]:
        before = set()
        for new in aliases:
            key = new.tenant_id, new.mode, new.alias, new.channel
            if self.canonical.get(key) == new.canonical:
                before.add(new.alias)
            self.canonical[key] = new.canonical
        return before

    async def names_of(self, indexes: Collection[bytes]) -> AbstractSet[bytes]:
        pairs = [(key[2], canonical) for key, canonical in self.canonical.items() if key[:2] == self._own]
        roots = {canonical for alias, canonical in pairs if alias in indexes} | set(indexes)
        return roots | {alias for alias, canonical in pairs if canonical in roots}
