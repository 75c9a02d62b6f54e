"""Onboards the test tenant of `app dev`, or finds the one that the same state directory had before."""

import os
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from messaging.entrypoints.lab.dev.client import CallFailed, LocalClient
from messaging.entrypoints.lab.dev.onboarding import Business, Number, Onboarding, Plan, Seed, new_seed
from messaging.entrypoints.lab.dev.processes.keeper import Say
from messaging.entrypoints.lab.dev.stack import Stack

_SEED: Final = "seed.json"
_BUSINESS: Final = "business.json"
# A number with Meta's highest throughput, so that whoever tries a load meets our limits and not Meta's.
PLAN: Final = Plan(
    tenant="Example Shop",
    numbers=(Number(address="+15005550006", name="Example Shop", per_second=1000),),
    others=("sms", "email"),
)
T = TypeVar("T", Seed, Business)


async def seeded(stack: Stack, *, plan: Plan, say: Say) -> Business:
    """Onboards the tenant, or finds the one that was onboarded on this state directory before. Raises CallFailed."""
    known = _read(stack.home / _BUSINESS, Business)
    if known is not None and await _still_there(stack, known):
        await _register_again(stack, known, plan, say)
        return known
    seed = _read(stack.home / _SEED, Seed) or new_seed()
    _write(stack.home / _SEED, seed)
    admin_key = await admin_key_of(stack)
    onboard = Onboarding(api=stack.api, sandbox=stack.sandbox, plan=plan, seed=seed, say=say)
    business = await onboard(admin_key)
    _write(stack.home / _BUSINESS, business)
    return business


async def admin_key_of(stack: Stack) -> str:
    """A new administrator's key, made as an operator makes the first one: at the command line."""
    printed = await stack.run("keys", "create", "--admin", "--name", "local", "--json")
    key: str = msgspec.json.decode(printed)["key"]
    return key


async def _still_there(stack: Stack, known: Business) -> bool:
    """Whether the tenant is still in the database; not if the database is another one than last time."""
    async with LocalClient(stack.api, key=known.api_key) as client:
        try:
            await client.get("/v1/key")
        except CallFailed:
            return False
    return True


async def _register_again(stack: Stack, known: Business, plan: Plan, say: Say) -> None:
    """Registers the addresses of the webhooks again: ports may differ from last time. A tenant of an earlier release
    gets the templates that it does not have.
    """
    onboarding = Onboarding(api=stack.api, sandbox=stack.sandbox, plan=plan, seed=known.seed, say=say)
    async with LocalClient(stack.api, key=known.api_key) as client:
        account = await client.get(f"/v1/provider-accounts/{known.account}")
        await onboarding.meet_sandbox(account["webhook_url"], known.phone_number_ids)
        for other in known.others:
            account = await client.get(f"/v1/provider-accounts/{other.account}")
            await onboarding.other_channels.register(other, account["webhook_url"])
        await onboarding.publish_own_templates(client, known.others)


def _read(path: Path, kind: type[T]) -> T | None:
    return msgspec.json.decode(path.read_bytes(), type=kind) if path.exists() else None


def _write(path: Path, value: Seed | Business) -> None:
    """Writes the file whole or not at all, readable by its owner only, since it holds keys."""
    partial = path.with_suffix(".partial")
    with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as handle:
        handle.write(msgspec.json.encode(value))
    partial.replace(path)
