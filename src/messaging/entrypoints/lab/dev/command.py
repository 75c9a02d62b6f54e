"""`app dev`: the whole platform with a test tenant, up until it is told to stop."""

import asyncio
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from messaging.entrypoints.lab.dev.onboarding import Business
from messaging.entrypoints.lab.dev.processes.keeper import Say
from messaging.entrypoints.lab.dev.processes.ports import free_ports, ports_from
from messaging.entrypoints.lab.dev.profile import Profile, remove_profile, write_profile
from messaging.entrypoints.lab.dev.seeding import PLAN, seeded
from messaging.entrypoints.lab.dev.stack import Given, Stack

Ready = Callable[[dict[str, str], str], None]


async def run_dev(
    *, state_dir: Path | None, port_base: int | None, environ: Mapping[str, str], say: Say, ready: Ready
) -> None:
    """Runs the platform until cancelled. `ready` is called once with what a program needs to know, and the same for a
    person.
    """
    given = Given(
        database_url=environ.get("APP_DATABASE_URL") or None,
        database_system_url=environ.get("APP_DATABASE_SYSTEM_URL") or None,
        database_owner_url=environ.get("APP_DATABASE_OWNER_URL") or None,
        redis_url=environ.get("APP_REDIS_URL") or None,
        master_key=environ.get("APP_MASTER_KEY") or None,
    )
    ports = free_ports() if port_base is None else ports_from(port_base)
    say("starting PostgreSQL, Redis, the sandbox provider, api, webhooks and worker …")
    async with Stack(ports=ports, say=say, state_dir=state_dir, given=given) as stack:
        business = await seeded(stack, plan=PLAN, say=say)
        say(f"logs in {stack.home / 'logs'}; pids: " + ", ".join(f"{k} {v}" for k, v in stack.pids.items()))
        if state_dir is None:
            say("nothing will be kept; give --state-dir to keep it")
        write_profile(_profile(stack, business))
        try:
            ready(_printed(stack, business), _hints(stack, business))
            await asyncio.Event().wait()
        finally:
            remove_profile(os.getpid())


def _printed(stack: Stack, business: Business) -> dict[str, str]:
    return {
        "api": stack.api,
        "webhooks": stack.webhooks,
        "sandbox": stack.sandbox,
        "tenant": business.tenant,
        "api_key": business.api_key,
        "admin_key": business.admin_key,
        "postgres": stack.owner_url,
        "redis": stack.redis_url,
    }


def _profile(stack: Stack, business: Business) -> Profile:
    return Profile(
        pid=os.getpid(),
        settings={
            "APP_API_URL": stack.api,
            "APP_API_KEY": business.api_key,
            **stack.database_settings,
            "APP_REDIS_URL": stack.redis_url,
            "APP_MASTER_KEY": stack.master_key,
            "APP_WEBHOOKS_PUBLIC_URL": stack.webhooks,
            "APP_SANDBOX_BASE_URL": stack.sandbox,
        },
        exports={
            "API": stack.api,
            "KEY": business.api_key,
            "ADMIN_KEY": business.admin_key,
            "SANDBOX": stack.sandbox,
        },
    )


def _hints(stack: Stack, business: Business) -> str:
    return f"""
ready. In a second terminal, send a first message (the sandbox delivers and reads it):

  .venv/bin/app send --to +14155550100 --template order_update --var 1=Ana --var 2=A-1042 --reference A-1042
  .venv/bin/app trace A-1042

By SMS and e-mail a template is the tenant's own; some are published (app templates list):

  .venv/bin/app send --channel sms --to +447700900123 --template order_delivered --language de \\
    --var name=Ana --var order=A-1042

Commands find this platform by themselves, while no APP_ setting says otherwise. For curl:

  eval "$(.venv/bin/app env)"
  curl -s $API/v1/messages -H "Authorization: Bearer $KEY"

So do those of an administrator; the API's are under $API/admin/v1, with $ADMIN_KEY:

  .venv/bin/app tenants list
  .venv/bin/app keys create --tenant {business.tenant} --role reader

  api        {stack.api}  (reference at /docs)
  webhooks   {stack.webhooks}
  sandbox    {stack.sandbox}  (what it accepted: /_ledger, whom to write to: /_control/recipients)
  key        {business.api_key}
  admin key  {business.admin_key}

Ctrl-C stops everything."""
