"""How many exchanges are under way in this process, in each pool and of each tenant, and how many more may be."""

from collections import Counter
from collections.abc import Collection
from typing import Final

from messaging.domain.shared.ids import TenantId

# Exchanges at once. Endpoints that do not answer, or answer slowly, have a pool of their own, so that they take no
# place from the others.
FAST: Final = 512
SLOW: Final = 256
OF_A_TENANT: Final = 64


class Capacity:
    """The capacity of one pool; the share of a tenant counts in each."""

    def __init__(self, most: int, *, of_a_tenant: int = OF_A_TENANT) -> None:
        self._most = most
        self._of_a_tenant = of_a_tenant
        self._taken: Counter[TenantId] = Counter()

    @property
    def free(self) -> int:
        return self._most - self._taken.total()

    def free_for(self, tenant_id: TenantId) -> int:
        return max(min(self.free, self._of_a_tenant - self._taken[tenant_id]), 0)

    def full(self) -> Collection[TenantId]:
        """Tenants that may have no more."""
        return [tenant for tenant, count in self._taken.items() if count >= self._of_a_tenant]

    def take(self, tenant_id: TenantId, count: int) -> None:
        self._taken[tenant_id] += count

    def give_back(self, tenant_id: TenantId, count: int) -> None:
        self._taken[tenant_id] -= count
        if self._taken[tenant_id] <= 0:
            del self._taken[tenant_id]
