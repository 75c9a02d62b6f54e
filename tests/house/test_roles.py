"""Can a tenant's route be added without deciding which roles open it?"""

from messaging.domain.tenants.tenant import KeyRole
from messaging.entrypoints.api.edge.roles import ROLES
from messaging.entrypoints.api.reference.openapi import routes

TENANT_ROUTES = {route.operation.id: route for route in routes() if not route.admin}


def test_every_route_of_tenants_has_an_entry_and_every_entry_a_route() -> None:
    assert sorted(set(TENANT_ROUTES) - set(ROLES)) == [], "routes that no role opens"
    assert sorted(set(ROLES) - set(TENANT_ROUTES)) == [], "entries of routes that do not exist"


def test_an_owner_may_do_everything() -> None:
    assert [id for id, roles in ROLES.items() if KeyRole.OWNER not in roles] == []


def test_a_reader_changes_nothing() -> None:
    assert [id for id, route in TENANT_ROUTES.items() if KeyRole.READER in ROLES[id] and route.method != "get"] == []


def test_whoever_operates_reads_everything_a_reader_reads() -> None:
    assert [id for id, roles in ROLES.items() if KeyRole.READER in roles and KeyRole.OPERATOR not in roles] == []


def test_settings_are_the_owners() -> None:
    by_others = {id for id, roles in ROLES.items() if roles != {KeyRole.OWNER} and TENANT_ROUTES[id].method != "get"}

    assert by_others == {
        "submit_message",
        "submit_batch",
        "check_message",
        "preview_own_template",
        "cancel_message",
        "retry_message",
        "retry_dead_letter",
        "discard_dead_letter",
        "act_on_messages",
        "replay_event",
    }
