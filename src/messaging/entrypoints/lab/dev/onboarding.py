"""Onboards a business through the API until it can send: tenant, keys, accounts, senders, templates.

Every creating call carries an Idempotency-Key made from one seed, so that onboarding that was interrupted goes on
where it stopped instead of making a second tenant.
"""

import asyncio
import secrets
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from messaging.entrypoints.lab.dev.client import CallFailed, LocalClient
from messaging.entrypoints.lab.dev.other_channels import Connected, OtherChannels
from messaging.entrypoints.lab.dev.own_templates import publish_own_templates
from messaging.entrypoints.lab.dev.processes.keeper import Say

_TEMPLATES: Final = Path(__file__).with_name("templates.json")
_REVIEW_PATIENCE_SECONDS: Final = 30.0
_POLL_SECONDS: Final = 0.1


class Number(Struct, frozen=True, kw_only=True):
    """A business number. `prefixes` are those of the recipients it serves; without any it serves all others."""

    address: str
    name: str
    per_second: int = 80
    prefixes: tuple[str, ...] = ()


class Refused(Struct, frozen=True):
    """A version of a template that the reviewers are to reject."""

    name: str
    language: str


class Plan(Struct, frozen=True, kw_only=True):
    """The business to onboard: its WhatsApp numbers, its templates and those to be rejected.

    `others` are its channels besides WhatsApp, each with an account and a sender of `others_per_second`.
    """

    tenant: str
    numbers: tuple[Number, ...]
    others: tuple[str, ...] = ()
    others_per_second: int = 1000
    refused: tuple[Refused, ...] = (Refused("order_shipped", "fr"),)


class Seed(Struct, frozen=True, kw_only=True):
    """Names made up beforehand: those of requests, and the identity at the (sandbox) provider."""

    id: str
    waba_id: str
    access_token: str
    app_secret: str
    verify_token: str


class Business(Struct, frozen=True, kw_only=True):
    """An onboarded tenant. `senders` are our ids of its WhatsApp numbers, `phone_number_ids` the provider's, in the
    same order; `others` are its accounts on other channels.
    """

    seed: Seed
    tenant: str
    api_key: str
    admin_key: str
    account: str
    senders: tuple[str, ...]
    phone_number_ids: tuple[str, ...]
    others: tuple[Connected, ...] = ()


def new_seed() -> Seed:
    return Seed(
        id=secrets.token_hex(8),
        waba_id=str(10**14 + secrets.randbelow(9 * 10**14)),
        access_token="EAA" + secrets.token_hex(24),
        app_secret=secrets.token_hex(16),
        verify_token=secrets.token_urlsafe(12),
    )


class Onboarding:
    """Onboards one business, step by step; `say` is told each step in plain words."""

    def __init__(self, *, api: str, sandbox: str, plan: Plan, seed: Seed, say: Say) -> None:
        self._api = api
        self._sandbox = sandbox
        self._plan = plan
        self._seed = seed
        self._say = say

    async def __call__(self, admin_key: str) -> Business:
        """Onboards, and returns when the first message can be sent. Raises CallFailed."""
        async with LocalClient(self._api, key=admin_key) as admin:
            tenant = await admin.post(
                "/admin/v1/tenants", {"name": self._plan.tenant}, idempotency_key=self._key("tenant")
            )
            issued = await admin.post(
                f"/admin/v1/tenants/{tenant['id']}/keys",
                {"name": "test key", "mode": "test"},
                idempotency_key=self._key("key"),
            )
        self._say(f"tenant {tenant['name']} ({tenant['id']}) with a test key")
        async with LocalClient(self._api, key=issued["key"]) as client:
            account = await self._connect_account(client)
            phone_number_ids = self._phone_number_ids()
            await self.meet_sandbox(account["webhook_url"], phone_number_ids)
            senders = await self._add_senders(client, account["id"], phone_number_ids)
            others = await self._connect_others(client)
            await self._create_templates(client, account["id"])
            await self.publish_own_templates(client, others)
        return Business(
            seed=self._seed,
            tenant=tenant["id"],
            api_key=issued["key"],
            admin_key=admin_key,
            account=account["id"],
            senders=senders,
            phone_number_ids=phone_number_ids,
            others=others,
        )

    async def meet_sandbox(self, webhook_url: str, phone_number_ids: tuple[str, ...]) -> None:
        """Register the account at the sandbox and have its webhooks verified, as one does in Meta's dashboard."""
        numbers = [
            {
                "id": id_,
                "display_phone_number": number.address,
                "verified_name": self._plan.tenant,
                "throughput_mps": number.per_second,
            }
            for id_, number in zip(phone_number_ids, self._plan.numbers, strict=True)
        ]
        body = {
            "waba_id": self._seed.waba_id,
            "access_token": self._seed.access_token,
            "app_secret": self._seed.app_secret,
            "verify_token": self._seed.verify_token,
            "webhook_url": webhook_url,
            "phone_numbers": numbers,
        }
        async with LocalClient(self._sandbox) as sandbox:
            await sandbox.post("/_control/accounts", body)

    async def _connect_account(self, client: LocalClient) -> Any:
        body = {
            "provider": "whatsapp_cloud",
            "name": f"{self._plan.tenant} WhatsApp",
            "external_id": self._seed.waba_id,
            "access_token": self._seed.access_token,
            "app_secrets": [self._seed.app_secret],
            "verify_token": self._seed.verify_token,
        }
        account = await client.post("/v1/provider-accounts", body, idempotency_key=self._key("account"))
        self._say(f"WhatsApp account {account['id']} (sandbox), its webhooks are signed")
        return account

    def _phone_number_ids(self) -> tuple[str, ...]:
        return tuple(f"{self._seed.waba_id}{index}" for index in range(len(self._plan.numbers)))

    async def _add_senders(
        self, client: LocalClient, account_id: str, phone_number_ids: tuple[str, ...]
    ) -> tuple[str, ...]:
        senders = []
        for rank, (external_id, number) in enumerate(zip(phone_number_ids, self._plan.numbers, strict=True)):
            body = {
                "account_id": account_id,
                "channel": "whatsapp",
                "external_id": external_id,
                "address": number.address,
                "name": number.name,
                "per_second": number.per_second,
                "rank": rank,
            }
            added = await client.post("/v1/senders", body, idempotency_key=self._key(f"sender-{rank}"))
            senders.append(added["id"])
        rules = [
            {"channel": "whatsapp", "sender_id": sender, "prefixes": list(number.prefixes)}
            for sender, number in zip(senders, self._plan.numbers, strict=True)
            if number.prefixes
        ]
        await client.put("/v1/routing-rules", {"rules": rules}, idempotency_key=self._key("rules"))
        self._say(f"{len(senders)} senders: " + ", ".join(f"{n.name} {n.address}" for n in self._plan.numbers))
        return tuple(senders)

    @property
    def other_channels(self) -> OtherChannels:
        return OtherChannels(
            sandbox=self._sandbox,
            seed=self._seed.id,
            tenant=self._plan.tenant,
            per_second=self._plan.others_per_second,
        )

    async def _connect_others(self, client: LocalClient) -> tuple[Connected, ...]:
        others = await self.other_channels.connect(client, self._plan.others)
        for other in others:
            self._say(f"{other.channel} account {other.account} ({other.provider} in the sandbox), {other.address}")
        return others

    async def publish_own_templates(self, client: LocalClient, others: Sequence[Connected]) -> None:
        """Those of the channels whose templates no provider reviews."""
        await publish_own_templates(client, [other.channel for other in others], say=self._say)

    # --- templates --------------------------------------------------------------------------------------------------

    async def _create_templates(self, client: LocalClient, account_id: str) -> None:
        wanted = msgspec.json.decode(_TEMPLATES.read_bytes())
        for template in wanted:
            name = f"template-{template['name']}-{template['language']}"
            await client.post("/v1/templates", {"account_id": account_id, **template}, idempotency_key=self._key(name))
        await self._turn_down()
        self._say(f"{len(wanted)} templates submitted for review")
        reviewed = await self._reviewed(client, len(wanted))
        approved = sum(template["status"] == "approved" for template in reviewed)
        others = [f"{t['name']} ({t['language']}) {t['status']}" for t in reviewed if t["status"] != "approved"]
        self._say(f"{approved} templates approved" + (f"; {', '.join(others)}" if others else ""))
        await self._until_sendable(client, reviewed)

    async def _turn_down(self) -> None:
        """Rejects, as the provider's reviewer, the versions that are not to pass."""
        async with LocalClient(self._sandbox, key=self._seed.access_token) as sandbox:
            for refused in self._plan.refused:
                path = f"/{self._seed.waba_id}/message_templates"
                listed = await sandbox.get(path, name=refused.name, limit=100)
                for template in listed["data"]:
                    if template["language"] == refused.language:
                        change = {"status": "REJECTED", "reason": "INVALID_FORMAT"}
                        await sandbox.post(f"/_control/templates/{template['id']}", change)

    async def _reviewed(self, client: LocalClient, count: int) -> list[Any]:
        give_up_at = time.monotonic() + _REVIEW_PATIENCE_SECONDS
        while True:
            templates = await client.pages("/v1/templates", limit=100)
            pending = [template for template in templates if template["status"] == "pending"]
            if len(templates) >= count and not pending:
                return templates
            if time.monotonic() > give_up_at:
                raise CallFailed(
                    f"{len(pending)} templates are still under review; see the logs of webhooks and worker"
                )
            await asyncio.sleep(_POLL_SECONDS)

    async def _until_sendable(self, client: LocalClient, templates: list[Any]) -> None:
        """Waits until messages can be sent: the processes follow a change of configuration within a second."""
        names = {(t["name"], t["language"]) for t in templates if t["status"] == "approved"}
        give_up_at = time.monotonic() + _REVIEW_PATIENCE_SECONDS
        while names and time.monotonic() < give_up_at:
            name, language = next(iter(names))
            content = {"type": "template", "name": name, "language": language}
            answer = await client.post(
                "/v1/messages/check", {"to": "+14155550100", "channel": "whatsapp", "content": content}
            )
            if any(error["code"].startswith(("template_", "no_sender")) for error in answer["errors"]):
                await asyncio.sleep(_POLL_SECONDS)
            else:
                names.discard((name, language))

    def _key(self, step: str) -> str:
        return f"onboarding-{self._seed.id}-{step}"
