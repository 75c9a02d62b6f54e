"""Issuing, revoking and rotating administrators' keys: who may, what stays, and what it takes to be locked out."""

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from messaging.application.access.admin_keys import IssueAdminKey, ListAdminKeys, RevokeAdminKey, RotateAdminKey
from messaging.application.access.authenticate import Admin, Authenticate, Unknown
from messaging.application.access.keys import KeyKind, KeyText
from messaging.domain.shared.errors import DomainError
from messaging.domain.shared.ids import KeyId, Prefix, parse_typeid
from messaging.domain.tenants.admin_key import AdminKey
from tests.builders import KEY, NOON, an_admin_key
from tests.fakes.admin_keys import InMemoryAdminKeys
from tests.fakes.snapshots import InMemorySnapshots

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
OTHER = KeyId(UUID("019df2d9-4c00-7000-8000-0000000000ff"))
NOBODY = KeyId(UUID("019df2d9-4c00-7000-8000-0000000000fe"))


class Platform:
    """Its keys, its clock, and its use cases on them."""

    def __init__(self, *keys: AdminKey) -> None:
        self.keys = InMemoryAdminKeys(*keys)
        self.time = NOON
        self.commits = 0
        ids = (UUID(int=number) for number in itertools.count(1))
        open_: Any = self._open
        made: Any = {"open_system_uow": open_, "clock": self, "new_id": lambda: next(ids)}
        self.issue = IssueAdminKey(**made)
        self.rotate = RotateAdminKey(**made)
        self.revoke = RevokeAdminKey(open_system_uow=open_, clock=self)
        self.list = ListAdminKeys(open_system_uow=open_)

    def now(self) -> datetime:
        return self.time

    async def opens(self, text: str) -> bool:
        authenticate = Authenticate(snapshots=InMemorySnapshots(admin_keys=tuple(self.keys.keys.values())), clock=self)
        match await authenticate.admin(text):
            case Admin():
                return True
            case Unknown():
                return False

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[Any]:
        yield SimpleNamespace(admin_keys=self.keys, commit=self._commit)

    async def _commit(self) -> None:
        self.commits += 1


def an_id(text: str) -> KeyId:
    found = parse_typeid(Prefix.KEY, text)
    assert found is not None
    return KeyId(found)


async def refused(attempt: Any) -> tuple[str, list[str]]:
    with pytest.raises(DomainError) as error:
        await attempt
    return error.value.code, [violation.code for violation in error.value.violations]


async def test_the_first_key_needs_none_and_opens() -> None:
    platform = Platform()

    issued = await platform.issue(name="Ana")

    assert await platform.opens(issued.key)
    assert issued.key.startswith(issued.hint)
    assert (await platform.list(before=None, limit=9)).items[0].id == issued.id


async def test_a_key_works_until_it_expires() -> None:
    platform = Platform()
    issued = await platform.issue(name="Ana", expires_at=NOON + HOUR)

    platform.time = NOON + HOUR - timedelta(microseconds=1)
    before = await platform.opens(issued.key)
    platform.time = NOON + HOUR

    assert (before, await platform.opens(issued.key)) == (True, False)


async def test_a_key_that_would_have_expired_already_is_refused() -> None:
    platform = Platform(an_admin_key())

    assert await refused(platform.issue(name="Ana", expires_at=NOON)) == ("validation_failed", ["expires_at_past"])
    rotation = platform.rotate(KEY, overlap=HOUR, expires_at=NOON)
    assert await refused(rotation) == ("validation_failed", ["expires_at_past"])


async def test_the_last_key_is_not_revoked_by_accident() -> None:
    platform = Platform(an_admin_key(), an_admin_key(id=OTHER))

    await platform.revoke(OTHER, by=KEY)

    assert await refused(platform.revoke(KEY)) == ("force_required", ["last_admin_key"])
    assert await refused(platform.revoke(KEY, by=KEY)) == ("force_required", ["last_admin_key", "own_admin_key"])
    assert platform.keys.keys[KEY].revoked_at is None
    assert (await platform.revoke(KEY, by=KEY, force=True)).revoked_at == NOON


async def test_a_key_does_not_revoke_itself_by_accident() -> None:
    platform = Platform(an_admin_key(), an_admin_key(id=OTHER))

    assert await refused(platform.revoke(KEY, by=KEY)) == ("force_required", ["own_admin_key"])
    assert (await platform.revoke(KEY, by=KEY, force=True)).revoked_at == NOON


async def test_revoking_what_does_not_work_any_more_needs_no_force() -> None:
    platform = Platform(an_admin_key(), an_admin_key(id=OTHER, expires_at=NOON))

    first = await platform.revoke(OTHER, by=KEY)
    platform.time = NOON + HOUR

    assert first == await platform.revoke(OTHER, by=KEY)
    assert first.revoked_at == NOON
    assert await refused(platform.revoke(NOBODY, by=KEY)) == ("not_found", [])


@pytest.mark.parametrize("state", [{"revoked_at": NOON}, {"expires_at": NOON}])
async def test_a_key_that_was_just_revoked_makes_no_successor(state: dict[str, Any]) -> None:
    """A process may remember it as good for some moments more."""
    platform = Platform(an_admin_key(**state), an_admin_key(id=OTHER))

    for attempt in (
        platform.issue(name="again", by=KEY),
        platform.rotate(OTHER, overlap=HOUR, by=KEY),
        platform.revoke(OTHER, by=KEY, force=True),
    ):
        assert await refused(attempt) == ("unauthorized", [])
    assert platform.commits == 0


async def test_a_rotated_key_works_until_the_overlap_ends() -> None:
    platform = Platform()
    old = await platform.issue(name="Ana")

    new = await platform.rotate(an_id(old.id), overlap=HOUR, by=an_id(old.id))

    assert (new.name, new.replaces.id, new.replaces.expires_at) == ("Ana", old.id, NOON + HOUR)
    assert (await platform.opens(old.key), await platform.opens(new.key)) == (True, True)
    platform.time = NOON + HOUR
    assert (await platform.opens(old.key), await platform.opens(new.key)) == (False, True)


async def test_an_overlap_does_not_prolong_a_key() -> None:
    platform = Platform(an_admin_key(expires_at=NOON + HOUR))

    rotated = await platform.rotate(KEY, overlap=DAY)

    assert rotated.replaces.expires_at == platform.keys.keys[KEY].expires_at == NOON + HOUR


async def test_a_rotation_does_not_let_the_last_key_expire_by_accident() -> None:
    platform = Platform(an_admin_key())
    ending: Any = {"overlap": HOUR, "expires_at": NOON + DAY, "by": KEY}

    assert await refused(platform.rotate(KEY, **ending)) == ("force_required", ["last_admin_key"])
    assert list(platform.keys.keys.values()) == [an_admin_key()]
    assert (await platform.rotate(KEY, **ending, force=True)).expires_at == NOON + DAY


async def test_a_key_that_rotates_itself_without_an_overlap_stops_at_once() -> None:
    platform = Platform(an_admin_key())

    assert await refused(platform.rotate(KEY, overlap=timedelta(), by=KEY)) == ("force_required", ["own_admin_key"])
    rotated = await platform.rotate(KEY, overlap=timedelta(), by=KEY, force=True)

    assert rotated.replaces.expires_at == NOON
    assert not platform.keys.keys[KEY].works_at(NOON)


async def test_a_key_that_works_no_more_is_not_rotated() -> None:
    platform = Platform(an_admin_key(revoked_at=NOON), an_admin_key(id=OTHER))

    assert await refused(platform.rotate(KEY, overlap=HOUR)) == ("state_conflict", [])
    assert await refused(platform.rotate(NOBODY, overlap=HOUR)) == ("not_found", [])


async def test_a_wrong_secret_does_not_open() -> None:
    platform = Platform(an_admin_key(public_id="k3yfzx2m7q4a"))
    wrong = KeyText(kind=KeyKind.ADMIN, public_id="k3yfzx2m7q4a", secret="s" * 32)

    assert not await platform.opens(wrong.reveal())


async def test_keys_are_listed_by_the_page_newest_first() -> None:
    platform = Platform(an_admin_key(), an_admin_key(id=OTHER))

    first = await platform.list(before=None, limit=1)
    second = await platform.list(before=first.next_after, limit=1)

    shown = [[parse_typeid(Prefix.KEY, it.id) for it in page.items] for page in (first, second)]
    assert (shown, first.next_after, second.next_after) == ([[OTHER], [KEY]], OTHER, None)
    assert len((await platform.list(before=None, limit=2)).items) == 2
