"""The look-alike of Twilio: statuses and inbound messages as signed forms, the common ledger, and what survives it."""

import asyncio
import base64
import hashlib
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qsl

import httpx
import pytest
from aiohttp import web

from messaging.entrypoints.sandbox import SandboxConfig, Settings, serving
from messaging.entrypoints.sandbox.twilio.recipients import OUTCOMES, Outcome
from messaging.entrypoints.sandbox.twilio.segments import count

SID, TOKEN, NUMBER = "AC" + "1" * 32, "token", "+15017250604"
SEND = f"/2010-04-01/Accounts/{SID}/Messages.json"
QUICK = Settings(
    webhook_delay_min_ms=0, webhook_delay_max_ms=2, webhook_late_ms=30, webhook_retry_initial_ms=5, hang_max_ms=200,
    slow_ms=5,
)  # fmt: skip


class Hooks:
    """A webhook server that keeps what it gets: (URL, fields), each checked against its signature."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, dict[str, str]]] = []
        self.refuses = False
        self._changed = asyncio.Condition()
        self.url = ""

    async def take(self, request: web.Request) -> web.Response:
        body, url = await request.text(), f"{self.url}{request.raw_path.removeprefix('/hooks')}"
        fields = dict(parse_qsl(body, keep_blank_values=True))
        text = url + "".join(name + fields[name] for name in sorted(fields))
        made = base64.b64encode(hmac.new(TOKEN.encode(), text.encode(), hashlib.sha1).digest()).decode()
        assert request.headers["X-Twilio-Signature"] == made
        if self.refuses:
            return web.Response(status=500)
        async with self._changed:
            self.taken.append((url, fields))
            self._changed.notify_all()
        return web.Response(status=200)

    def statuses(self, sid: str) -> list[str]:
        return [fields["MessageStatus"] for _, fields in self.taken if fields["MessageSid"] == sid]

    async def until(self, sid: str, number: int) -> list[str]:
        async with asyncio.timeout(60), self._changed:
            await self._changed.wait_for(lambda: len(self.statuses(sid)) >= number)
        return self.statuses(sid)

    async def until_inbound(self, author: str) -> dict[str, str]:
        def found() -> list[dict[str, str]]:
            received = [fields for _, fields in self.taken if fields["SmsStatus"] == "received"]
            return [fields for fields in received if fields["From"] == author]

        async with asyncio.timeout(60), self._changed:
            await self._changed.wait_for(lambda: bool(found()))
        return found()[0]


@pytest.fixture(scope="module")
async def hooks() -> AsyncIterator[Hooks]:
    hooks, app = Hooks(), web.Application()
    app.router.add_post("/hooks", hooks.take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    hooks.url = f"http://{host}:{port}/hooks"
    yield hooks
    await runner.cleanup()


@asynccontextmanager
async def sandbox(state_dir: Path, hooks: Hooks) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        serving(SandboxConfig(state_dir=state_dir, settings=QUICK)) as url,
        httpx.AsyncClient(base_url=url, trust_env=False, auth=(SID, TOKEN)) as http,
    ):
        await join(http, hooks)
        yield http


@pytest.fixture(scope="module")
async def http(tmp_path_factory: pytest.TempPathFactory, hooks: Hooks) -> AsyncIterator[httpx.AsyncClient]:
    async with sandbox(tmp_path_factory.mktemp("twilio"), hooks) as http:
        yield http


async def join(http: httpx.AsyncClient, hooks: Hooks) -> None:
    account = {"sid": SID, "auth_token": TOKEN, "numbers": [{"phone_number": NUMBER, "sms_url": hooks.url}]}
    assert (await http.post("/_control/twilio/accounts", json=account)).is_success


async def send(http: httpx.AsyncClient, hooks: Hooks, to: str, **fields: str) -> httpx.Response:
    form = {"To": to, "From": NUMBER, "Body": "hi", "StatusCallback": f"{hooks.url}?ref=r.{to[-4:]}", **fields}
    return await http.post(SEND, data=form)


_TOLD = {ending: outcome for ending, outcome in OUTCOMES.items() if outcome.refuse is None and outcome.mode is None}


@pytest.mark.parametrize(("ending", "outcome"), _TOLD.items(), ids=[outcome.summary for outcome in _TOLD.values()])
async def test_every_accepted_outcome_is_told_as_its_script_says(
    http: httpx.AsyncClient, hooks: Hooks, ending: int, outcome: Outcome
) -> None:
    answer = await send(http, hooks, f"+1415555{100 + ending:04d}")

    script = [step.status for step in outcome.script] * (2 if outcome.duplicated else 1)
    assert answer.status_code == 201
    assert (answer.json()["status"], answer.json()["num_segments"]) == ("queued", "1")
    assert sorted(await hooks.until(answer.json()["sid"], len(script))) == sorted(script)
    mine = [(url, fields) for url, fields in hooks.taken if fields["MessageSid"] == answer.json()["sid"]]
    failures = [fields.get("ErrorCode") for _, fields in mine if fields["MessageStatus"] in ("failed", "undelivered")]
    failing = [step for step in outcome.script if step.status in ("failed", "undelivered")]
    assert failures == [None if step.code is None else str(step.code) for step in failing]
    assert {url for url, _ in mine} <= {f"{hooks.url}?ref=r.0{100 + ending}"}


@pytest.mark.parametrize("ending", [ending for ending, outcome in OUTCOMES.items() if outcome.refuse is not None])
async def test_every_refusal_has_twilios_shape(http: httpx.AsyncClient, hooks: Hooks, ending: int) -> None:
    outcome = OUTCOMES[ending]

    answers = [await send(http, hooks, f"+1415555{100 + ending:04d}") for _ in range((outcome.refusals or 1) + 1)]

    body = answers[0].json()
    assert (body["code"], body["status"]) == (outcome.refuse, answers[0].status_code)
    assert body["more_info"].endswith(str(outcome.refuse))
    assert (answers[-1].status_code == 201) == (outcome.refusals is not None)


async def test_both_providers_write_into_one_ledger(tmp_path: Path, hooks: Hooks) -> None:
    async with sandbox(tmp_path, hooks) as http:
        await check_one_ledger(http, hooks)


async def check_one_ledger(http: httpx.AsyncClient, hooks: Hooks) -> None:
    account = {
        "waba_id": "1", "access_token": "t", "app_secret": "s",
        "phone_numbers": [{"id": "2", "display_phone_number": "+1 555 078 3881"}],
    }  # fmt: skip
    await http.post("/_control/accounts", json=account)
    await http.post("/_control/settings", json={"window_enforced": False})
    text = {"messaging_product": "whatsapp", "to": "+14155557000", "type": "text", "text": {"body": "hi"}}

    await send(http, hooks, "+14155557000")
    async with httpx.AsyncClient(base_url=http.base_url, trust_env=False) as other:
        await other.post("/v25.0/2/messages", json=text, headers={"authorization": "Bearer t"})
    await send(http, hooks, "+14155557001")

    entries = (await http.get("/_ledger")).json()["data"]
    assert [(entry["n"], entry["provider"]) for entry in entries] == [
        (0, "twilio"), (1, "whatsapp_cloud"), (2, "twilio"),
    ]  # fmt: skip
    assert [entry["reference"] for entry in entries] == ["r.7000", None, "r.7001"]
    assert len({entry["message_id"] for entry in entries}) == 3


async def test_a_person_writes_and_replies(http: httpx.AsyncClient, hooks: Hooks) -> None:
    spec = {
        "to": NUMBER, "from": "+14155557002", "body": "Héllo",
        "media": [["https://example.com/a.jpg", "image/jpeg"]], "fields": {"OptOutType": "STOP"},
    }  # fmt: skip

    sid = (await http.post("/_control/twilio/inbound", json=spec)).json()["message_sid"]

    written = await hooks.until_inbound("+14155557002")
    assert (written["MessageSid"], written["Body"], written["NumMedia"]) == (sid, "Héllo", "1")
    assert (written["MediaUrl0"], written["OptOutType"], written["FromCity"]) == (
        "https://example.com/a.jpg", "STOP", "",
    )  # fmt: skip
    await send(http, hooks, "+14165550107")
    assert (await hooks.until_inbound("+14165550107"))["Body"] == "STOP"
    assert (await http.post("/_control/twilio/inbound", json=spec | {"to": "+1999"})).status_code == 422


async def test_what_nobody_took_comes_again_after_a_restart(tmp_path: Path, hooks: Hooks) -> None:
    hooks.refuses = True
    async with sandbox(tmp_path, hooks) as http:
        sid = (await send(http, hooks, "+14155557003")).json()["sid"]
        await http.post("/_control/twilio/inbound", json={"to": NUMBER, "from": "+14155557003", "body": "hi"})
    hooks.refuses = False

    async with sandbox(tmp_path, hooks) as http:
        assert sorted(await hooks.until(sid, 2)) == ["delivered", "sent"]
        assert (await hooks.until_inbound("+14155557003"))["Body"] == "hi"
        listed = (await http.get(SEND, params={"To": "+14155557003"})).json()
        assert [(node["sid"], node["status"]) for node in listed["messages"]] == [(sid, "delivered")]
        shown = (await http.get("/_control/twilio/accounts")).json()["data"]
        assert shown[0]["auth_token"] == "***"


@pytest.mark.parametrize(
    ("login", "path", "code"),
    [
        (("x", "y"), SEND, 20003),
        ((SID, "wrong"), SEND, 20003),
        ((SID, TOKEN), SEND.replace(SID, "AC" + "2" * 32), 20003),
        ((SID, TOKEN), "/2010-04-01/Nonsense.json", 20404),
        ((SID, TOKEN), "/2010-04-01", 20404),
        ((SID, TOKEN), SEND.replace("Messages", "Calls"), 20404),
        ((SID, TOKEN), SEND.replace("Messages", "Messages/SM" + "0" * 32), 20404),
    ],
)
async def test_strangers_and_unknown_paths_are_refused(
    http: httpx.AsyncClient, login: tuple[str, str], path: str, code: int
) -> None:
    assert (await http.get(path, auth=login)).json()["code"] == code


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"To": ""}, 21604), ({"To": "4155557004"}, 21211), ({"Body": ""}, 21602), ({"Body": "x" * 1_601}, 21617),
        ({"From": ""}, 21603), ({"From": "??"}, 21212), ({"From": "+15017259999"}, 21606), ({"From": "Acme"}, 21612),
        ({"StatusCallback": "nowhere"}, 21609), ({"ValidityPeriod": "0"}, 21624),
        ({"MessagingServiceSid": "MG1"}, 21701),
    ],
)  # fmt: skip
async def test_nonsense_is_refused_with_twilios_codes(
    http: httpx.AsyncClient, hooks: Hooks, fields: dict[str, str], code: int
) -> None:
    answer = await send(http, hooks, "+14155557004", **fields)

    assert answer.json()["code"] == code
    assert [entry for entry in (await http.get("/_ledger")).json()["data"] if entry["to"] == "+14155557004"] == []


async def test_faults_can_be_armed_for_one_provider(http: httpx.AsyncClient, hooks: Hooks) -> None:
    for provider, code in (("whatsapp_cloud", 201), ("twilio", 429)):
        fault = {"mode": "429", "match": {"provider": provider, "to": "+14155557005"}, "times": 1}
        assert (await http.post("/_control/faults", json=fault)).status_code == 201

        assert (await send(http, hooks, "+14155557005")).status_code == code


@pytest.mark.parametrize(
    ("text", "segments"),
    [
        ("a" * 160, 1), ("a" * 161, 2), ("a" * 306, 2), ("a" * 307, 3), ("€" * 80, 1), ("€" * 81, 2),
        ("я" * 70, 1), ("я" * 71, 2), ("я" * 134, 2), ("я" * 135, 3), ("😀" * 35, 1), ("😀" * 36, 2), ("", 1),
    ],
)  # fmt: skip
def test_segments_are_counted_as_billed(text: str, segments: int) -> None:
    assert count(text) == segments
