"""Commands that call the API: whom they call, what they print of a refusal, and with which code they end."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
import respx

from messaging.entrypoints.cli import app
from messaging.entrypoints.cli.failures import Exit, exit_code_of
from messaging.entrypoints.lab.dev.profile import Profile, find_profile, profile_path, remove_profile, write_profile
from tests.collector import Collector

API = "http://api.test"
SEND = ("send", "--to", "+14155550100", "--template", "order_update", "--var", "1=Ana")
MISSING = {"pointer": "/content/variables", "code": "variable_missing", "detail": "Give 2 as well."}


class Ended(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No platform but the one a test names."""
    for name in [name for name in os.environ if name.startswith("APP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> respx.MockRouter:
    monkeypatch.setenv("APP_API_URL", API)
    monkeypatch.setenv("APP_API_KEY", "mpk_test_key")
    return respx.mock(base_url=API)


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    def call(*arguments: str) -> Ended:
        try:
            app.main(list(arguments), standalone_mode=False, prog_name="app")
            code = 0
        except BaseException as error:  # noqa: BLE001 - as `main` does
            code = exit_code_of(error)
        return Ended(code, *capsys.readouterr())

    return call


def test_a_check_that_finds_nothing_wrong_ends_with_0(api: respx.MockRouter, call: Callable[..., Ended]) -> None:
    with api:
        api.post("/v1/messages/check").respond(json={"would_send": True, "errors": []})
        ended = call(*SEND, "--check", "--json")

    assert ended.code == 0
    assert json.loads(ended.out)["would_send"] is True


def test_a_check_that_finds_something_ends_with_1_and_names_its_page(
    api: respx.MockRouter, call: Callable[..., Ended]
) -> None:
    with api:
        api.post("/v1/messages/check").respond(json={"would_send": False, "errors": [MISSING]})
        ended = call(*SEND, "--check", "--json")

    assert ended.code == Exit.FAILURE
    assert json.loads(ended.out)["errors"] == [MISSING]
    assert "/content/variables  variable_missing: Give 2 as well." in ended.err
    assert f"next: how to mend it: {API}/problems/variable_missing" in ended.err


def test_a_mail_is_sent_from_the_command_line_with_its_html_in_a_file(
    api: respx.MockRouter, call: Callable[..., Ended], tmp_path: Path
) -> None:
    html = tmp_path / "mail.html"
    html.write_text("<p>Grüße</p>")
    with api:
        sent = api.post("/v1/messages").respond(202, json={"id": "msg_1"})
        ended = call(
            *("send", "--channel", "email", "--to", "ana@example.com"), *("--subject", "Hello", "--html", str(html))
        )

    assert ended.code == 0
    assert json.loads(sent.calls[0].request.content) == {
        "to": "ana@example.com",
        "channel": "email",
        "content": {"type": "email", "subject": "Hello", "html": "<p>Grüße</p>"},
    }


@pytest.mark.parametrize("given", [("--template", "t", "--text", "x"), ("--template", "t", "--subject", "x"), ()])
def test_a_message_says_one_thing(call: Callable[..., Ended], given: tuple[str, ...]) -> None:
    ended = call("send", "--to", "ana@example.com", *given)

    assert ended.code == Exit.USAGE
    assert "Give --template NAME" in ended.err


def test_a_refusal_lists_everything_with_the_pages_of_the_api_that_refused(
    api: respx.MockRouter, call: Callable[..., Ended]
) -> None:
    other = {"pointer": "/to", "code": "recipient_invalid", "detail": "No such number."}
    problem = {"code": "validation_failed", "title": "…", "detail": "Not accepted.", "errors": [MISSING, other]}
    with api:
        api.post("/v1/messages").respond(422, json=problem)
        ended = call(*SEND)

    assert ended.code == Exit.FAILURE
    assert "validation_failed: Not accepted." in ended.err
    assert f"{API}/problems/variable_missing and {API}/problems/recipient_invalid" in ended.err


@pytest.mark.parametrize(
    ("status", "code", "exit_code"),
    [(401, "unauthorized", 4), (404, "not_found", 1), (502, "provider_unavailable", 3), (503, "store_unavailable", 3)],
)
def test_a_refusal_without_violations_names_the_page_of_its_code(
    api: respx.MockRouter, call: Callable[..., Ended], status: int, code: str, exit_code: int
) -> None:
    with api:
        api.get("/v1/messages/msg_x").respond(status, json={"code": code, "title": "…", "detail": "…", "errors": []})
        ended = call("trace", "msg_x")

    assert ended.code == exit_code
    assert f"{API}/problems/{code}" in ended.err


def test_a_trace_finds_a_message_by_its_reference(api: respx.MockRouter, call: Callable[..., Ended]) -> None:
    event = {"seq": 1, "recorded_at": "…", "type": "accepted", "status": "queued", "detail": {}}
    with api:
        listed = api.get("/v1/messages").respond(json={"data": [{"id": "msg_1"}], "has_more": True})
        api.get("/v1/messages/msg_1").respond(json={"id": "msg_1", "status": "read"})
        api.get("/v1/messages/msg_1/events").respond(json={"data": [event], "has_more": False})
        api.get("/v1/messages/msg_1/trace").respond(json=TRACED)
        ended = call("trace", "order 1042", "--json")
        shown = call("trace", "msg_1")

    assert ended.code == 0
    assert json.loads(ended.out)["message"]["status"] == "read"
    assert json.loads(ended.out)["trace"] == TRACED
    assert listed.calls.last.request.url.params["reference"] == "order 1042"
    assert [line.partition("2026")[0].rstrip() for line in shown.out.splitlines() if "T12:00" in line] == [
        "POST /v1/messages",
        "└─ create deliver",
        "   ├─ process deliver",
        "   │  └─ send sms",
        "   └─ process receipt",
    ]
    assert "error=30003" in shown.out


def a_span(id: str, parent: str | None, name: str, **told: str) -> dict[str, Any]:
    at = "2026-05-04T12:00:00Z"
    times = {"started_at": at, "ended_at": at, "kind": "internal"}
    return {"span_id": id, "parent_id": parent, "name": name, "attributes": {}, "error": told.get("error"), **times}


TRACED: dict[str, Any] = {
    "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
    "sampled": False,
    "spans": [
        a_span("1" * 16, None, "POST /v1/messages"),
        a_span("2" * 16, "1" * 16, "create deliver"),
        a_span("3" * 16, "2" * 16, "process deliver"),
        a_span("4" * 16, "3" * 16, "send sms", error="30003"),
        a_span("5" * 16, "2" * 16, "process receipt"),
    ],
}


def test_a_trace_goes_to_the_collector_when_asked(
    api: respx.MockRouter, call: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Collector() as collector, api:
        api.get("/v1/messages/msg_1").respond(json={"id": "msg_1", "status": "read"})
        api.get("/v1/messages/msg_1/events").respond(json={"data": [], "has_more": False})
        api.get("/v1/messages/msg_1/trace").respond(json=TRACED)
        unset = call("trace", "msg_1", "--otlp")
        monkeypatch.setenv("APP_OTLP_ENDPOINT", collector.url)
        ended = call("trace", "msg_1", "--otlp")

    assert (unset.code, ended.code) == (2, 0)
    assert "APP_OTLP_ENDPOINT" in unset.err
    assert [span.span_id.hex() for span in collector.spans] == [str(span["span_id"]) for span in TRACED["spans"]]


def a_profile(pid: int) -> Profile:
    names = ("APP_DATABASE_URL", "APP_REDIS_URL", "APP_MASTER_KEY")
    return Profile(
        pid=pid,
        settings={"APP_API_URL": API, "APP_API_KEY": "mpk_test_of_dev"} | dict.fromkeys(names, "…"),
        exports={"API": API, "KEY": "mpk_test_of_dev"},
    )


def test_without_settings_the_running_dev_is_called_and_named(call: Callable[..., Ended]) -> None:
    write_profile(a_profile(os.getpid()))
    with respx.mock(base_url=API) as api:
        asked = api.get("/v1/messages/msg_1").respond(404, json={"code": "not_found", "title": "…", "detail": "…"})
        ended = call("trace", "msg_1")

    assert asked.calls.last.request.headers["authorization"] == "Bearer mpk_test_of_dev"
    assert f"using the platform of `app dev` (pid {os.getpid()})" in ended.err


def test_a_setting_in_the_environment_is_never_mixed_with_those_of_dev(
    call: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_profile(a_profile(os.getpid()))
    monkeypatch.setenv("APP_API_URL", "https://messaging.example.com")

    ended = call("trace", "msg_1")

    assert ended.code == Exit.CONFIGURATION
    assert "APP_API_KEY is not set" in ended.err


def test_a_dev_that_was_killed_is_not_called(call: Callable[..., Ended]) -> None:
    write_profile(a_profile(pid=2**22 + 1))  # above what Linux gives out

    assert call("trace", "msg_1").code == Exit.CONFIGURATION
    assert call("env").code == Exit.DEPENDENCY_DOWN


def test_the_profile_is_private_and_goes_with_its_owner_only() -> None:
    write_profile(a_profile(os.getpid()))
    assert profile_path().stat().st_mode & 0o777 == 0o600

    remove_profile(os.getpid() + 1)
    assert find_profile() == a_profile(os.getpid())
    remove_profile(os.getpid())
    assert not profile_path().exists()


def test_a_shell_gets_addresses_and_keys(call: Callable[..., Ended]) -> None:
    write_profile(a_profile(os.getpid()))

    assert call("env").out.splitlines() == [f"export API={API}", "export KEY=mpk_test_of_dev"]


def test_nobody_at_the_address_ends_with_3(api: respx.MockRouter, call: Callable[..., Ended]) -> None:
    with api:
        api.get("/v1/messages/msg_x").mock(side_effect=httpx.ConnectError("refused"))
        ended = call("trace", "msg_x")

    assert ended.code == Exit.DEPENDENCY_DOWN
    assert "app dev" in ended.err


def _listed(id: str) -> dict[str, object]:
    return {
        **{"id": id, "status": "failed", "to": "+14155550100", "reference": None, "created_at": "t", "updated_at": "t"},
        "error": {"code": "131026", "reason": "why"},
        "content": {"type": "template", "name": "order_update"},
    }


def test_a_list_goes_on_past_pages_that_hold_nothing(api: respx.MockRouter, call: Callable[..., Ended]) -> None:
    pages = [
        {"data": [_listed("msg_2")], "next_cursor": "two", "has_more": True},
        {"data": [], "next_cursor": "three", "has_more": True},
        {"data": [_listed("msg_1")], "next_cursor": "four", "has_more": True},
    ]
    with api:
        route = api.get("/v1/messages").mock(side_effect=[httpx.Response(200, json=page) for page in pages])
        ended = call("messages", "list", "--status", "failed,dead", "--error-code", "131026", "--limit", "2")

    asked = [dict(made.request.url.params) for made in route.calls]
    assert [(it.get("after"), it["limit"]) for it in asked] == [(None, "2"), ("two", "1"), ("three", "1")]
    assert {(it["status"], it["error_code"]) for it in asked} == {("failed,dead", "131026")}
    assert [line.split()[:5] for line in ended.out.splitlines()[1:]] == [
        [id, "failed", "+14155550100", "order_update", "131026"] for id in ("msg_2", "msg_1")
    ]
    assert (ended.code, "--after four" in ended.err) == (0, True)


@pytest.mark.parametrize("truncated", [False, True])
def test_a_summary_prints_statuses_and_reasons(
    api: respx.MockRouter, call: Callable[..., Ended], truncated: bool
) -> None:
    counted = {
        **{"created_after": "t0", "created_before": "t2", "counted_since": "t1", "truncated": truncated, "messages": 3},
        "by_status": [{"status": "delivered", "messages": 1}, {"status": "failed", "messages": 2}],
        "by_reason": [{"error_code": "131026", "status": "failed", "messages": 2}],
    }
    with api:
        route = api.get("/v1/messages/summary").respond(json=counted)
        ended = call("messages", "summary", "--channel", "sms")

    assert dict(route.calls[0].request.url.params) == {"channel": "sms"}
    assert [line.split() for line in ended.out.splitlines()[2:]] == [
        ["delivered", "1"],
        ["failed", "2"],
        ["failed", "131026", "2"],
    ]
    assert ("shorter range" in ended.err) is truncated


def test_health_shows_what_keeps_messages_back(api: respx.MockRouter, call: Callable[..., Ended]) -> None:
    sender = {"id": "snd_1", "channel": "whatsapp", "name": "Shop", "status": "active"}
    template = {"id": "tpl_1", "name": "another", "language": "en", "status": "pending", "codes": ["template_paused"]}
    told = {
        **{"mode": "live", "accounts": [], "lanes": [], "templates": [template]},
        "senders": [{**sender, "health": {"state": "open", "reason": "unauthorized"}}],
        **{"dead_letters_open": 1, "unconfirmed": 2},
    }
    with api:
        api.get("/v1/health").respond(json=told)
        ended = call("health")

    lines = ended.out.splitlines()
    assert "snd_1  whatsapp  Shop  active  open     unauthorized" in lines
    assert "tpl_1  another  en        pending  template_paused" in lines
    assert lines[-1] == "for a person: 1 dead letters, 2 unconfirmed messages"


def test_a_template_of_ones_own_is_made_from_a_file_and_previewed(
    api: respx.MockRouter, call: Callable[..., Ended], tmp_path: Path
) -> None:
    made = {"template": {"id": "own_1", "name": "order_shipped"}, "published": None, "draft": {"version": 1}}
    shown = {"version": 1, "language": "en", "parts": {"body": "Hi Ana: 2"}, "segments": None}
    template, values = tmp_path / "template.json", tmp_path / "values.json"
    template.write_text('{"name": "order_shipped"}')
    values.write_text('{"count": 2}')
    with api:
        created = api.post("/v1/own-templates").respond(status_code=201, json=made)
        previewed = api.post("/v1/own-templates/own_1/preview").respond(json=shown)
        ended = call("templates", "create", str(template))
        preview = call("templates", "preview", "own_1", "--var", "name=Ana", "--values", str(values))

    assert (ended.code, preview.code) == (0, 0)
    assert json.loads(created.calls.last.request.content) == {"name": "order_shipped"}
    assert json.loads(previewed.calls.last.request.content)["variables"] == {"count": 2, "name": "Ana"}
    assert preview.out == "--- body\nHi Ana: 2\n"


def test_a_file_that_is_no_json_is_told(call: Callable[..., Ended], api: respx.MockRouter, tmp_path: Path) -> None:
    file = tmp_path / "template.json"
    file.write_text("{")

    ended = call("templates", "create", str(file))

    assert ended.code == Exit.FAILURE
