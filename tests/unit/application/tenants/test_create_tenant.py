"""A tenant comes with a data key of its own, in one transaction."""

from typing import Any

from messaging.application.tenants.create_tenant import CreateTenant
from messaging.domain.shared.ids import Prefix, TenantId, parse_typeid
from messaging.domain.tenants.tenant import TenantStatus
from tests.builders import NOON
from tests.fakes.clock import FixedClock, SequentialIds
from tests.unit.application.tenants.office import Office
from tests.unit.application.webhooks.doubles import KEY_RING


async def test_a_tenant_is_active_from_its_creation_and_has_a_key_to_seal_with() -> None:
    office = Office()
    open_system: Any = office.open_system
    create = CreateTenant(open_system_uow=open_system, key_ring=KEY_RING, clock=FixedClock(), new_id=SequentialIds())

    view = await create(name="Southwind")

    found = parse_typeid(Prefix.TENANT, view.id)
    assert found is not None
    tenant = office.platform.tenants_[TenantId(found)]
    assert (tenant.name, tenant.status, tenant.created_at) == ("Southwind", TenantStatus.ACTIVE, NOON)
    cipher = KEY_RING.cipher(tenant.id, [office.platform.data_keys[tenant.id]])
    assert cipher.open("a", cipher.seal("a", b"secret")) == b"secret"
    assert office.commits == 1
