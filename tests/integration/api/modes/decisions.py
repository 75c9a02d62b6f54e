"""What each operation of tenants is asked about objects of the other mode, and what it must answer.

Every operation has an entry here; tests/house/test_modes.py names those that have none. An entry is a request that
reaches for the other mode as far as the operation can, and the answer that proves it found nothing there.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import httpx

from tests.integration.api.callers import Json, Shop, account_body, own_template_body, sender_body, template_body


class Side(NamedTuple):
    """One mode of a tenant: its key's holder, and the ids of what there is in it."""

    mode: str
    shop: Shop
    message: str
    dead: str
    inbound: str
    event: str
    own_template: str
    callback_event: str
    endpoint: str

    def ids(self) -> set[str]:
        return {
            self.message,
            self.dead,
            self.inbound,
            self.event,
            self.own_template,
            self.callback_event,
            self.endpoint,
            self.shop.account,
            self.shop.sender,
            self.shop.template,
        }


Answers = Callable[[httpx.Response, Side], None]


class Asked(NamedTuple):
    """`path` and `body` are made for the other side; `answers` looks at the response, knowing the caller's own side."""

    answers: Answers
    path: Mapping[str, Callable[[Side], str]] = {}
    body: Callable[[Side], Any] | None = None
    query: str = ""


def not_found(response: httpx.Response, _: Side) -> None:
    assert (response.status_code, response.json()["code"]) == (404, "not_found"), response.text


def refused(pointer: str, code: str) -> Answers:
    def answers(response: httpx.Response, _: Side) -> None:
        assert response.status_code == 422, response.text
        assert (pointer, code) in {(error["pointer"], error["code"]) for error in response.json()["errors"]}

    return answers


def lists(*own: Callable[[Side], str], key: str = "id") -> Answers:
    """Exactly the caller's own, and nothing more to come."""

    def answers(response: httpx.Response, side: Side) -> None:
        assert response.status_code == 200, response.text
        listed = response.json()
        assert {item[key] for item in listed["data"]} == {of(side) for of in own}
        assert not listed.get("has_more")

    return answers


def _item_refused(response: httpx.Response, _: Side) -> None:
    (item,) = response.json()["data"]
    assert (response.status_code, item["status"]) == (202, "refused"), response.text
    assert {error["code"] for error in item["errors"]} == {"sender_unknown"}


def _would_not_send(response: httpx.Response, _: Side) -> None:
    assert not response.json()["would_send"], response.text
    assert {error["code"] for error in response.json()["errors"]} == {"sender_unknown"}


def _acted_on_nothing(response: httpx.Response, _: Side) -> None:
    (item,) = response.json()["data"]
    assert (item["result"], item["code"], item["status"]) == ("refused", "not_found", None), response.text


def _counts_own(response: httpx.Response, _: Side) -> None:
    """Each side has one dead message."""
    assert response.status_code == 200, response.text
    assert {of["status"]: of["messages"] for of in response.json()["by_status"]}["dead"] == 1


def _of_own_mode(status: int) -> Answers:
    def answers(response: httpx.Response, side: Side) -> None:
        assert (response.status_code, response.json()["mode"]) == (status, side.mode), response.text

    return answers


def _own_health(response: httpx.Response, side: Side) -> None:
    told = response.json()
    assert (response.status_code, told["mode"]) == (200, side.mode), response.text
    assert {it["id"] for it in told["senders"]} == {side.shop.sender}
    assert {it["id"] for it in told["accounts"]} == {side.shop.account}
    assert (told["dead_letters_open"], sum(lane["due"] for lane in told["lanes"])) == (1, 1)


def _own_settings(response: httpx.Response, side: Side) -> None:
    assert response.json()["on_unknown"]["default"] == UNCLEAR[side.mode], response.text


def _found(response: httpx.Response, _: Side) -> None:
    assert response.status_code == 200, response.text


def _created(response: httpx.Response, _: Side) -> None:
    assert response.status_code == 201, response.text


def _candidate(other: Side) -> Json:
    return {name: account_body(other.shop.number)[name] for name in _OF_A_CANDIDATE}


def _message(other: Side) -> Json:
    return other.shop.message(**{"from": other.shop.sender})


_OF_A_CANDIDATE: Final = ("provider", "external_id", "access_token", "app_secrets")
# What each side chose for its unclear sends.
UNCLEAR: Final = {"live": "resend", "test": "hold"}
_OF_THE_OTHER: Final = {"live": UNCLEAR["test"], "test": UNCLEAR["live"]}

MESSAGE: Final = {"message_id": lambda other: other.message}
DEAD: Final = {"message_id": lambda other: other.dead}
SENDER: Final = {"sender_id": lambda other: other.shop.sender}
ACCOUNT: Final = {"account_id": lambda other: other.shop.account}
EVENT: Final = {"event_id": lambda other: other.event}
ENDPOINT: Final = {"endpoint_id": lambda other: other.endpoint}
CALLBACK_EVENT: Final = {"event_id": lambda other: other.callback_event}
TEMPLATE: Final = {"template_id": lambda other: other.shop.template}

OWN_TEMPLATE: Final = {"own_template_id": lambda other: other.own_template}

DECISIONS: Final[Mapping[str, Asked]] = {
    "submit_message": Asked(refused("/from", "sender_unknown"), body=_message),
    "submit_batch": Asked(_item_refused, body=lambda other: {"messages": [_message(other)]}),
    "check_message": Asked(_would_not_send, body=_message),
    "list_messages": Asked(lists(lambda own: own.message, lambda own: own.dead), query="reference=both"),
    "summarize_messages": Asked(_counts_own),
    "get_message": Asked(not_found, MESSAGE),
    "list_message_events": Asked(not_found, MESSAGE),
    "get_message_trace": Asked(not_found, MESSAGE),
    "cancel_message": Asked(not_found, MESSAGE),
    "retry_message": Asked(not_found, DEAD),
    "list_dead_letters": Asked(lists(lambda own: own.dead, key="message_id")),
    "get_dead_letter": Asked(not_found, DEAD),
    "retry_dead_letter": Asked(not_found, DEAD),
    "discard_dead_letter": Asked(not_found, DEAD, lambda _: {"reason": "not mine"}),
    "act_on_messages": Asked(
        _acted_on_nothing,
        body=lambda other: {"action": "discard", "message_ids": [other.dead], "reason": "not mine"},
    ),
    "list_inbound_messages": Asked(lists(lambda own: own.inbound)),
    "list_provider_events": Asked(lists(lambda own: own.event)),
    "get_provider_event": Asked(not_found, EVENT),
    "list_events": Asked(lists(lambda own: own.callback_event)),
    "get_event": Asked(not_found, CALLBACK_EVENT),
    "list_event_deliveries": Asked(not_found, CALLBACK_EVENT),
    "replay_event": Asked(not_found, CALLBACK_EVENT, lambda other: {"endpoint_id": other.endpoint}),
    "list_callback_attempts": Asked(not_found, ENDPOINT),
    "get_callback_endpoint_health": Asked(not_found, ENDPOINT),
    "pause_callback_endpoint": Asked(not_found, ENDPOINT),
    "resume_callback_endpoint": Asked(not_found, ENDPOINT, lambda _: {"replay": "all"}),
    "enable_callback_endpoint": Asked(not_found, ENDPOINT, lambda _: {"replay": "all"}),
    # It names nothing of any mode; a good one would be listed below.
    "create_callback_endpoint": Asked(refused("/url", "callback_url_invalid"), body=lambda _: {"url": "no url"}),
    "list_callback_endpoints": Asked(lists(lambda own: own.endpoint)),
    "get_callback_endpoint": Asked(not_found, ENDPOINT),
    "change_callback_endpoint": Asked(not_found, ENDPOINT, body=lambda _: {"description": "another"}),
    "delete_callback_endpoint": Asked(not_found, ENDPOINT),
    "rotate_callback_secret": Asked(not_found, ENDPOINT),
    "revoke_previous_callback_secret": Asked(not_found, ENDPOINT),
    "send_callback_test": Asked(not_found, ENDPOINT),
    "list_event_types": Asked(_found),
    "create_template": Asked(
        refused("/account_id", "account_unknown"), body=lambda other: template_body(other.shop.account, name="another")
    ),
    "list_templates": Asked(lists(lambda own: own.shop.template)),
    "get_template": Asked(not_found, TEMPLATE),
    "change_template": Asked(not_found, TEMPLATE, lambda _: {"on_unknown": "resend"}),
    # What it makes is of the caller's own mode, as the list of its templates tells.
    "create_own_template": Asked(_created, body=lambda other: own_template_body(name=f"of_{other.mode}")),
    "list_own_templates": Asked(lists(lambda own: own.own_template)),
    "get_own_template": Asked(not_found, OWN_TEMPLATE),
    "write_own_template_draft": Asked(not_found, OWN_TEMPLATE, lambda _: {"content": own_template_body()["content"]}),
    "publish_own_template": Asked(not_found, OWN_TEMPLATE),
    "archive_own_template": Asked(not_found, OWN_TEMPLATE),
    "preview_own_template": Asked(not_found, OWN_TEMPLATE, lambda _: {"variables": {"name": "Ana"}}),
    "list_own_template_versions": Asked(not_found, OWN_TEMPLATE),
    "get_own_template_version": Asked(not_found, OWN_TEMPLATE | {"version": lambda _: "1"}),
    "sync_templates": Asked(not_found, ACCOUNT),
    "add_sender": Asked(
        refused("/account_id", "account_unknown"),
        body=lambda other: sender_body(other.shop.account, external_id="80999999"),
    ),
    "list_senders": Asked(lists(lambda own: own.shop.sender)),
    "get_sender": Asked(not_found, SENDER),
    "change_sender": Asked(not_found, SENDER, lambda _: {"name": "not mine"}),
    "list_routing_rules": Asked(lists(lambda own: own.shop.sender, key="sender_id")),
    "replace_routing_rules": Asked(
        refused("/rules/0/sender_id", "sender_unknown"),
        body=lambda other: {"rules": [{"channel": "whatsapp", "sender_id": other.shop.sender}]},
    ),
    # The very account of the other side: connected once more, in the caller's own mode.
    "connect_provider_account": Asked(_of_own_mode(201), body=lambda other: account_body(other.shop.number)),
    "list_provider_accounts": Asked(lists(lambda own: own.shop.account)),
    "get_provider_account": Asked(not_found, ACCOUNT),
    "change_provider_account": Asked(not_found, ACCOUNT, lambda _: {"status": "disabled"}),
    "delete_provider_account": Asked(not_found, ACCOUNT),
    # Asks the provider, with credentials that the caller has, and knows of nothing that is stored.
    "verify_provider_account": Asked(_found, body=_candidate),
    "subscribe_provider_account": Asked(not_found, ACCOUNT, lambda _: {"override": True}),
    "register_number": Asked(not_found, ACCOUNT, lambda _: {"phone_number_id": "106540352242922", "pin": "150954"}),
    "get_settings": Asked(_own_settings),
    "change_settings": Asked(_own_settings, body=lambda other: {"on_unknown": {"default": _OF_THE_OTHER[other.mode]}}),
    "get_own_health": Asked(_own_health),
    "get_key": Asked(_of_own_mode(200)),
}
