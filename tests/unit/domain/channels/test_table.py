"""What each channel carries, within which limits, and when: the table that use cases read."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from messaging.domain.channels.address import Channel, EmailAddress, Phone, ScopedUser
from messaging.domain.channels.table import CHANNELS
from messaging.domain.channels.whatsapp import WHATSAPP
from messaging.domain.content.content import Content, Document, Image
from messaging.domain.shared.category import Category
from messaging.domain.shared.errors import Violation
from tests.builders import NOON, a_template_message, a_text

LINK = "https://cdn.example.com/order.pdf"
DAY = timedelta(hours=24)


def content_violations(content: Content, channel: Channel = Channel.WHATSAPP) -> Sequence[Violation]:
    return CHANNELS[channel].content_violations(content)


def listed(violations: Sequence[Violation]) -> list[tuple[str, str]]:
    return [(violation.pointer, violation.code) for violation in violations]


def test_every_channel_has_a_row_that_knows_every_category() -> None:
    assert set(CHANNELS) == set(Channel)
    assert all(rules.channel is channel for channel, rules in CHANNELS.items())
    assert all(set(rules.echo_grace) == set(Category) for rules in CHANNELS.values())


# --- content ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        a_text(),
        a_text(body="Line one\nline two\tand a tab"),
        a_text(body="a" * 4096),
        a_text(body="😀" * 2048),
        Image(link=LINK, caption="Your parcel"),
        Image(media_id="1376223850470843"),
        Image(link="http://cdn.example.com/a.jpg"),
        Document(link=LINK, filename="order.pdf", caption="c" * 1024),
        Document(link="http://cdn.example.com/a.pdf"),
        a_template_message(),
    ],
)
def test_ordinary_content_is_accepted(content: Content) -> None:
    assert listed(content_violations(content)) == []


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (a_text(body=""), [("/body", "value_empty")]),
        (a_text(body=" \n "), [("/body", "value_empty")]),
        (a_text(body="a" * 4097), [("/body", "value_too_long")]),
        (a_text(body="😀" * 2049), [("/body", "value_too_long")]),
        (a_text(body="a\x00b"), [("/body", "control_character")]),
        (a_text(body="a\ud800b"), [("/body", "control_character")]),
        (Image(), [("", "media_source_invalid")]),
        (Image(link=LINK, media_id="1"), [("", "media_source_invalid")]),
        (Image(link="example.com", caption="c" * 1025), [("/link", "link_invalid"), ("/caption", "value_too_long")]),
        (Image(link=LINK, caption=""), [("/caption", "value_empty")]),
        (
            Document(caption="\x01", filename="../x"),
            [("", "media_source_invalid"), ("/caption", "control_character"), ("/filename", "filename_invalid")],
        ),
    ],
)
def test_every_violation_is_listed_with_its_place(content: Content, expected: list[tuple[str, str]]) -> None:
    assert listed(content_violations(content)) == expected


def test_a_refusal_never_quotes_content() -> None:
    body = "s3cret" * 1000

    assert all("s3cret" not in violation.detail for violation in content_violations(a_text(body=body)))


@pytest.mark.parametrize(
    "content",
    [
        a_text(body="a" * 1600),
        a_text(body="\U0001f600" * 800),
        Image(link=LINK, caption="c" * 1600),
        Document(link=LINK),
        a_template_message(),
    ],
)
def test_a_text_message_carries_what_the_large_providers_take(content: Content) -> None:
    assert listed(content_violations(content, Channel.SMS)) == []


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (a_text(body="a" * 1601), [("/body", "value_too_long")]),
        (a_text(body="\U0001f600" * 801), [("/body", "value_too_long")]),
        (Image(link=LINK, caption="c" * 1601), [("/caption", "value_too_long")]),
        (Image(media_id="1376223850470843"), [("/media_id", "media_source_invalid")]),
    ],
)
def test_a_text_message_beyond_the_limits_of_its_channel_is_refused(
    content: Content, expected: list[tuple[str, str]]
) -> None:
    assert listed(content_violations(content, Channel.SMS)) == expected


def test_content_that_a_channel_does_not_carry_is_one_violation_that_lists_what_it_carries() -> None:
    [violation] = content_violations(a_text(body=""), Channel.EMAIL)

    assert (violation.pointer, violation.code) == ("/type", "content_not_carried")
    assert "email carries email, template" in violation.detail


# --- the window -------------------------------------------------------------------------------------------------------


def test_only_free_form_content_by_whatsapp_needs_that_the_person_wrote_lately() -> None:
    needing = {
        (channel, kind) for channel, rules in CHANNELS.items() for kind in KINDS if rules.needs_window(KINDS[kind])
    }

    assert needing == {(Channel.WHATSAPP, "text"), (Channel.WHATSAPP, "image")}


KINDS: dict[str, Content] = {"text": a_text(), "image": Image(link=LINK), "template": a_template_message()}


@pytest.mark.parametrize(
    ("ago", "expected"),
    [
        (timedelta(0), True),
        (timedelta(hours=23), True),
        (DAY - timedelta(minutes=5, seconds=1), True),
        (DAY - timedelta(minutes=5), False),
        (DAY, False),
        (timedelta(days=30), False),
        # The provider's clock may be ahead of ours.
        (timedelta(seconds=-30), True),
    ],
)
def test_the_window_is_open_for_a_day_less_a_margin(ago: timedelta, expected: bool) -> None:
    assert WHATSAPP.window is not None
    assert WHATSAPP.window.is_open(NOON - ago, now=NOON) is expected


def test_a_person_who_never_wrote_opens_nothing_and_the_refusal_tells_the_hours() -> None:
    assert WHATSAPP.window is not None
    assert not WHATSAPP.window.is_open(None, now=NOON)
    assert "in the last 24 hours" in WHATSAPP.window.closed().detail


# --- recipients -------------------------------------------------------------------------------------------------------


def test_only_codes_by_whatsapp_need_a_phone_number() -> None:
    code, user = Category.AUTHENTICATION, ScopedUser("US.1349")

    assert listed(WHATSAPP.recipient_violations(user, code)) == [("/to", "recipient_needs_phone")]
    assert WHATSAPP.recipient_violations(user, Category.UTILITY) == ()
    assert WHATSAPP.recipient_violations(Phone("+14155552671"), code) == ()
    assert CHANNELS[Channel.EMAIL].recipient_violations(EmailAddress("ana@example.com"), code) == ()
