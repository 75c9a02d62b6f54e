"""Is everything there that the processes depend on? Each check is independent, so one run shows all that is wrong."""

from collections.abc import Sequence

from messaging.application.ports.health import Check
from messaging.application.ports.secrets import CannotDecrypt
from messaging.application.ports.unit_of_work import StoreUnavailable
from messaging.entrypoints.composition.containers import Application, build
from messaging.entrypoints.composition.resources import open_resources
from messaging.entrypoints.settings import Settings


async def diagnose(settings: Settings) -> Sequence[Check]:
    """In the order in which they should be mended."""
    async with open_resources(settings) as resources:
        application = build(settings, resources, worker="doctor")
        checks = list(await application.adapters.health().checks())
        if all(check.ok for check in checks if check.name != "redis"):
            checks.append(await _master_key(application))
    return checks


async def _master_key(application: Application) -> Check:
    """Any tenant's data key will do: all are wrapped by the same master key."""
    adapters = application.adapters
    try:
        async with adapters.open_system_uow()() as uow:
            tenants = await uow.platform.tenants(before=None, limit=1)
        facts = await adapters.snapshots().tenant(tenants[0].id) if tenants else None
        if facts is not None:
            adapters.key_ring().cipher(facts.tenant.id, facts.data_keys)
    except CannotDecrypt:
        detail = "APP_MASTER_KEY is not the key this database was first used with. Restore that key."
        return Check(name="master key", ok=False, detail=detail)
    except StoreUnavailable:
        return Check(name="master key", ok=False, detail="PostgreSQL went away. Run `app doctor` again.")
    return Check(name="master key", ok=True, detail="" if facts else "There is no tenant yet to try it on.")
