"""Which envelope is refused, are all violations listed, and what may be told of content?"""

import pytest

from messaging.domain.content.content import Document, Image, is_free_form, summary
from messaging.domain.content.content_rules import envelope_violations
from messaging.domain.shared.errors import Violation
from tests.builders import a_template_message, a_text

LINK = "https://cdn.example.com/order.pdf"


def listed(violations: tuple[Violation, ...]) -> list[tuple[str, str]]:
    return [(violation.pointer, violation.code) for violation in violations]


@pytest.mark.parametrize("reference", [None, "order-1042", "Bestellung 1042 / März", "a" * 128, "ä" * 128])
def test_ordinary_references_are_accepted(reference: str | None) -> None:
    assert envelope_violations(reference, {}) == ()


@pytest.mark.parametrize("reference", ["", "  ", "a" * 129, "a\nb", "a\x00b", "a\ud800"])
def test_a_reference_is_one_printable_line(reference: str) -> None:
    assert listed(envelope_violations(reference, {})) == [("/reference", "reference_invalid")]


def test_metadata_up_to_its_limits_is_accepted() -> None:
    metadata = {f"{number:040d}": "v" * 500 for number in range(20)}

    assert envelope_violations(None, metadata) == ()
    assert envelope_violations(None, {"note": ""}) == ()


@pytest.mark.parametrize(
    ("metadata", "pointer"),
    [
        ({str(number): "" for number in range(21)}, "/metadata"),
        ({"": "v"}, "/metadata/"),
        ({"k" * 41: "v"}, f"/metadata/{'k' * 41}"),
        ({"k" * 100: "v"}, "/metadata"),
        ({"a\nb": "v"}, "/metadata"),
        ({"a/b": "v" * 501}, "/metadata/a~1b"),
        ({"note": "\x00"}, "/metadata/note"),
    ],
)
def test_metadata_beyond_its_limits_is_refused(metadata: dict[str, str], pointer: str) -> None:
    assert listed(envelope_violations(None, metadata)) == [(pointer, "metadata_invalid")]


def test_only_templates_may_be_sent_outside_the_window() -> None:
    assert is_free_form(a_text())
    assert is_free_form(Image(link=LINK))
    assert is_free_form(Document(link=LINK))
    assert not is_free_form(a_template_message())


def test_a_summary_tells_the_kind_and_no_value() -> None:
    assert summary(a_text(body="s3cret")) == "text"
    assert summary(Image(link=LINK, caption="s3cret")) == "image"
    assert summary(Document(link=LINK, filename="s3cret")) == "document"
    assert summary(a_template_message(variables={"1": "s3cret"})) == "template order_update (en_US)"
