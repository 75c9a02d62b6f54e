"""Is a person's message kept with what is known, whatever is odd about its author, its time, its id or its kind?"""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from messaging.domain.conversations.inbound import InboundKind, InboundMessage, Oddity
from tests.unit.adapters.whatsapp_cloud.bodies import (
    MARIA,
    RECEIVED_AT,
    SAID_AT,
    a_text,
    body,
    one_message,
    read,
    value,
)

USER_ID, PARENT_ID = "US.13491208655302741918", "US.ENT.11815799212886844830"


@pytest.mark.parametrize(
    ("given", "oddity"),
    [
        (None, Oddity.AUTHOR_MISSING),
        ("", Oddity.AUTHOR_MISSING),
        ("bla", Oddity.AUTHOR_UNREADABLE),
        ("123456", Oddity.AUTHOR_UNREADABLE),
        (123456, Oddity.AUTHOR_UNREADABLE),
        (True, Oddity.AUTHOR_UNREADABLE),
        ({"phone": "16505551234"}, Oddity.AUTHOR_UNREADABLE),
        ("status@broadcast", Oddity.AUTHOR_UNREADABLE),
    ],
)
def test_a_message_of_nobody_we_can_name_is_kept(given: Any, oddity: Oddity) -> None:
    message = one_message(a_text(**{"from": given}))

    assert isinstance(message, InboundMessage)
    assert (message.phone, message.user_id, message.text, message.oddities) == (None, None, "Hi", (oddity,))
    assert message.payload.get("from") == given


@pytest.mark.parametrize("given", [16505551234, "16505551234", "+16505551234"])
def test_a_number_is_one_however_it_is_written(given: Any) -> None:
    message = one_message(a_text(**{"from": given}))

    assert (message.phone, message.oddities) == ("+16505551234", ())


@pytest.mark.parametrize(
    ("given", "oddities"),
    [
        (None, (Oddity.AUTHOR_FROM_CONTACT,)),
        ("bla", (Oddity.AUTHOR_UNREADABLE, Oddity.AUTHOR_FROM_CONTACT)),
    ],
)
def test_a_lone_contact_names_the_author_where_the_message_does_not(
    given: str | None, oddities: tuple[Oddity, ...]
) -> None:
    message = one_message(a_text(**{"from": given}), MARIA | {"user_id": USER_ID})

    assert (message.phone, message.user_id, message.profile_name) == ("+16505551234", USER_ID, "Maria")
    assert message.oddities == oddities


@pytest.mark.parametrize(
    ("given", "at"),
    [
        ("1777896000", SAID_AT),
        (1777896000, SAID_AT),
        ("1777896000000", SAID_AT),
        (1777896000000, SAID_AT),
        ("1777896000000000", SAID_AT),
        (1777896000000000000, SAID_AT),
        (1777896000.5, SAID_AT + timedelta(seconds=0.5)),
        ("1777896000.25", SAID_AT + timedelta(seconds=0.25)),
        ("2026-05-04T12:00:00Z", SAID_AT),
        ("2026-05-04T14:00:00+02:00", SAID_AT),
    ],
)
def test_a_time_is_read_in_whatever_unit_it_comes(given: Any, at: datetime) -> None:
    message = one_message(a_text(timestamp=given))

    assert (message.occurred_at, message.oddities) == (at, ())


@pytest.mark.parametrize(
    "given",
    [
        *(None, "", "yesterday", "May 4, 2026", "2026-05-04", "2026-05-04T12:00:00", "9" * 40, "1e400", "٣٤"),
        *(-1, 0, "7", 10**400, True, [], {"seconds": 1}),
    ],
)
def test_a_message_without_a_readable_time_happened_when_it_came(given: Any) -> None:
    (message,) = read(body(value(messages=[a_text(timestamp=None) | {"timestamp": given}])))

    assert (message.occurred_at, message.oddities) == (RECEIVED_AT, (Oddity.TIME_UNREADABLE,))
    assert message.opens_window


def test_an_overlong_id_is_shortened_the_same_way_each_time_and_costs_nobody_else() -> None:
    long = "wamid." + "x" * 8_000

    first, second, third = read(body(value(messages=[a_text(), a_text(id=long), a_text(id=long + "y")])))

    assert (first.provider_message_id, first.oddities) == ("wamid.IN", ())
    assert second.oddities == third.oddities == (Oddity.ID_TOO_LONG,)
    assert len(second.provider_message_id) < 200
    assert second.provider_message_id.startswith("wamid.xxx")
    assert second.provider_message_id != third.provider_message_id
    assert one_message(a_text(id=long)).provider_message_id == second.provider_message_id


def test_a_message_without_an_id_is_the_same_message_each_time_it_comes() -> None:
    first, again, another = (one_message(a_text(id=None, text={"body": said})) for said in ("Hi", "Hi", "Ho"))

    assert first.oddities == (Oddity.ID_MISSING,)
    assert first.provider_message_id == again.provider_message_id != another.provider_message_id


# --- who -----------------------------------------------------------------------------------------------------------


def test_the_matching_contact_tells_what_the_message_does_not() -> None:
    other = {"profile": {"name": "Ana", "username": "@ana"}, "wa_id": "14155552671", "user_id": "US.1"}
    profile = {"name": "Maria", "username": "@maria"}
    own = {"profile": profile, "wa_id": "16505551234", "user_id": USER_ID, "parent_user_id": PARENT_ID}

    message = one_message(a_text(), other, own)

    assert (message.phone, message.user_id, message.parent_user_id) == ("+16505551234", USER_ID, PARENT_ID)
    assert (message.profile_name, message.username, message.oddities) == ("Maria", "@maria", ())


def test_what_the_message_says_itself_goes_before_the_contact() -> None:
    given = a_text(from_user_id=USER_ID, from_parent_user_id=PARENT_ID)

    message = one_message(given, MARIA | {"user_id": "US.2", "parent_user_id": "US.ENT.2"})

    assert (message.user_id, message.parent_user_id) == (USER_ID, PARENT_ID)


def test_a_person_without_a_number_is_told_by_the_contact_of_the_same_user_id() -> None:
    message = one_message(a_text(**{"from": None}, from_user_id=USER_ID), MARIA | {"user_id": USER_ID})

    assert (message.phone, message.user_id, message.profile_name) == ("+16505551234", USER_ID, "Maria")
    assert message.oddities == ()


def test_a_lone_contact_under_another_spelling_of_the_number_is_the_authors() -> None:
    message = one_message(a_text(**{"from": "5215512345678"}), MARIA | {"wa_id": "525512345678", "user_id": USER_ID})

    assert (message.phone, message.user_id, message.profile_name) == ("+5215512345678", USER_ID, "Maria")


def test_a_lone_contact_that_is_somebody_elses_is_not_taken_for_the_author() -> None:
    written = [a_text(), a_text(id="wamid.2", **{"from": "14155552671"}), a_text(id="wamid.3", **{"from": None})]

    maria, ana, nobody = read(body(value(messages=written, contacts=[MARIA | {"user_id": USER_ID}])))

    assert (maria.profile_name, maria.user_id) == ("Maria", USER_ID)
    assert (ana.profile_name, ana.user_id) == (None, None)
    assert (nobody.phone, nobody.oddities) == (None, (Oddity.AUTHOR_MISSING,))


# --- what ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("members", "kind", "said"),
    [
        ({"text": {"body": "Hi"}}, InboundKind.TEXT, "Hi"),
        ({"text": None, "image": {"id": "1", "caption": "Taj"}}, InboundKind.MEDIA, "Taj"),
        ({"text": None, "reaction": {"message_id": "wamid.OUT", "emoji": "👍"}}, InboundKind.REACTION, "👍"),
    ],
)
def test_a_message_without_a_type_is_of_the_kind_it_contains(
    members: dict[str, Any], kind: InboundKind, said: str
) -> None:
    message = one_message(a_text(type=None, **members))

    assert (message.kind, message.text, message.oddities) == (kind, said, (Oddity.KIND_MISSING,))


def test_a_message_without_a_type_that_could_be_two_kinds_is_kept_as_unknown() -> None:
    message = one_message(a_text(type=None, image={"id": "1"}))

    assert (message.kind, message.provider_kind, message.text) == (InboundKind.OTHER, "unknown", None)


NAMELESS = {"phones": [{"phone": "+1 650 555 1234"}]}


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ({"type": "edit", "edit": {"message": {"type": "text", "text": {"body": "at 9"}}}}, "at 9"),
        ({"type": "edit", "edit": {"message": {"type": "image", "image": {"caption": "Taj"}}}}, "Taj"),
        ({"type": "edit", "edit": {"message": {"text": {"body": "at 9"}}}}, "at 9"),
        ({"type": "edit", "edit": {"message": {"type": "edit", "edit": {}}}}, None),
        ({"type": "contacts", "contacts": [{"name": {"first_name": "Ana"}}]}, "Ana"),
        ({"type": "contacts", "contacts": [{"name": {"first_name": "Ana", "last_name": "Diaz"}}]}, "Ana Diaz"),
        ({"type": "contacts", "contacts": {"name": {"formatted_name": "Ana"}}}, "Ana"),
        ({"type": "contacts", "contacts": [{"org": {"company": "Northwind"}}, NAMELESS]}, "Northwind, +1 650 555 1234"),
        ({"type": "button", "button": {"payload": "STOP"}}, "STOP"),
        ({"type": "TEXT", "text": {"body": "Hi"}}, "Hi"),
    ],
)
def test_what_can_be_read_is_told(message: dict[str, Any], said: str | None) -> None:
    assert one_message(a_text(text=None) | message).text == said


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        ({"response_json": '{"flow_token":"t","size":"L","gift":true}', "name": "flow"}, "size: L, gift: true"),
        ({"response_json": {"size": "L"}}, "size: L"),
        ({"response_json": "no json", "name": "flow"}, "flow"),
        ({"response_json": "[1]", "body": "Sent"}, "Sent"),
        ({}, None),
    ],
)
def test_a_form_without_words_is_told_by_its_answers(reply: dict[str, Any], said: str | None) -> None:
    message = one_message(a_text(text=None, type="interactive", interactive={"type": "nfm_reply", "nfm_reply": reply}))

    assert (message.kind, message.text) == (InboundKind.INTERACTIVE, said)


def test_a_reply_that_does_not_say_its_type_is_the_one_it_contains() -> None:
    reply = {"button_reply": {"id": "yes", "title": "Yes"}}

    assert one_message(a_text(text=None, type="interactive", interactive=reply)).text == "Yes"


# --- the window ----------------------------------------------------------------------------------------------------


def permission(**told: str) -> dict[str, Any]:
    return {"interactive": {"type": "call_permission_reply", "call_permission_reply": {"response": "accept"} | told}}


@pytest.mark.parametrize(
    ("kind", "members", "opens"),
    [
        ("unsupported", {"errors": [{"code": 131051}], "unsupported": {"type": "poll_creation"}}, True),
        ("poll_of_next_year", {"poll_of_next_year": {"a": 1}}, True),
        ("unknown", {}, True),
        ("order", {"order": {"text": "two"}}, True),
        ("reaction", {"reaction": {"message_id": "wamid.OUT", "emoji": "👍"}}, True),
        ("reaction", {"reaction": {"message_id": "wamid.OUT", "emoji": ""}}, False),
        ("reaction", {"reaction": {"message_id": "wamid.OUT"}}, False),
        ("interactive", permission(response_source="user_action"), True),
        ("interactive", permission(response_source="automatic"), False),
        ("system", {"system": {"type": "user_changed_number", "body": "changed"}}, False),
        ("edit", {"edit": {"original_message_id": "wamid.1", "message": {}}}, False),
        ("revoke", {"revoke": {"original_message_id": "wamid.1"}}, False),
        ("text", {"text": {"body": "Hi"}, "group_id": "g"}, False),
    ],
)
def test_the_window_opens_for_what_a_person_did_and_for_no_notice(
    kind: str, members: dict[str, Any], opens: bool
) -> None:
    assert one_message(a_text(**({"text": None, "type": kind} | members))).opens_window is opens


def a_call(**changes: Any) -> dict[str, Any]:
    given = {"id": "wacid.1", "from": "16505551234", "to": "15550783881", "event": "connect", "timestamp": "1777896000"}
    return given | {"direction": "USER_INITIATED"} | changes


def test_a_call_of_a_person_opens_the_window_and_is_kept_beside_what_is_said_of_it() -> None:
    said, call = read(body(value(calls=[a_call()], contacts=[MARIA]), field="calls"))

    assert isinstance(call, InboundMessage)
    assert (call.kind, call.phone, call.profile_name, call.opens_window) == (
        InboundKind.CALL,
        "+16505551234",
        "Maria",
        True,
    )
    assert (call.provider_message_id, call.occurred_at) == ("wacid.1", datetime(2026, 5, 4, 12, tzinfo=UTC))
    assert (said.kind, said.payload["calls"]) == ("calls", [a_call()])


def test_a_call_of_ours_is_no_persons_doing() -> None:
    (said,) = read(body(value(calls=[a_call(direction="BUSINESS_INITIATED")]), field="calls"))

    assert said.kind == "calls"
