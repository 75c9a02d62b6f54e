"""How long is a text, what must it not hold, and which references lead to media?"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messaging.domain.content.media import filename_violations, media_violations
from messaging.domain.content.parameters import MediaRef
from messaging.domain.shared.text import is_clean, is_clean_line, step, text_violations, utf16_units


@pytest.mark.parametrize(("text", "units"), [("", 0), ("Ana", 3), ("é", 1), ("你好", 2), ("😀", 2), ("👩‍👧", 5)])
def test_length_is_counted_in_utf16_units(text: str, units: int) -> None:
    assert utf16_units(text) == units


@given(text=st.text())
def test_the_length_is_the_encodings_own(text: str) -> None:
    assert utf16_units(text) * 2 == len(text.encode("utf-16-le", "surrogatepass"))


@pytest.mark.parametrize("char", ["\x00", "\x01", "\x0b", "\x1b", "\x7f", "\x85", "\ud800", chr(0xDFFF)])
def test_control_characters_and_half_surrogates_are_unclean_everywhere(char: str) -> None:
    assert not is_clean(f"a{char}b")
    assert not is_clean_line(f"a{char}b")


@pytest.mark.parametrize("char", ["\n", "\r", "\t"])
def test_line_breaks_and_tabs_are_clean_in_texts_but_not_in_lines(char: str) -> None:
    assert is_clean(f"a{char}b")
    assert not is_clean_line(f"a{char}b")


UNSEEN = [
    *("\u200b", "\u200b\u200d\ufeff", "\u00a0" * 6, "\u2028", "\u2029", "\u2060", "\u00ad", "\u200e\u200f", "\ufe0f"),
    *("\u3164", "\u115f\u1160", "\u2800", "\u180e", "\U000e0020", " \u200b\n\u2063"),
]


@pytest.mark.parametrize("text", ["", " ", "\n\t ", "\u00a0", "\u2003", *UNSEEN])
def test_a_text_must_say_something(text: str) -> None:
    assert [violation.code for violation in text_violations("/body", text, limit=10)] == ["value_empty"]


@pytest.mark.parametrize("text", ["a", "\u200bа", "👨\u200d👩\u200d👧", "❤\ufe0f", "نام\u200cها", "\u0301", "。"])
def test_one_visible_character_is_enough(text: str) -> None:
    assert text_violations("/body", text, limit=100) == []


def test_a_text_is_measured_and_cleaned_at_once() -> None:
    codes = [violation.code for violation in text_violations("/body", "\x00" + "😀" * 5, limit=10)]

    assert codes == ["control_character", "value_too_long"]
    assert text_violations("/body", "😀" * 5, limit=10) == []


@pytest.mark.parametrize(("name", "pointer"), [("a", "/a"), ("a/b", "/a~1b"), ("a~b", "/a~0b"), ("~1", "/~01")])
def test_names_are_escaped_in_pointers(name: str, pointer: str) -> None:
    assert step(name) == pointer


@pytest.mark.parametrize("name", ["x" * 65, "a\nb", "\x00", "\ud800"])
def test_names_that_must_not_be_repeated_are_left_out_of_pointers(name: str) -> None:
    assert step(name) == ""


@pytest.mark.parametrize(
    ("media", "expected"),
    [
        (MediaRef(link="https://example.com/a.jpg"), []),
        (MediaRef(media_id="1376223850470843"), []),
        (MediaRef(), [("/image", "media_source_invalid")]),
        (MediaRef(link="https://example.com/a.jpg", media_id="1"), [("/image", "media_source_invalid")]),
        (MediaRef(link="nonsense"), [("/image/link", "link_invalid")]),
        (MediaRef(link="https://minio.internal/a.jpg"), [("/image/link", "link_invalid")]),
        (MediaRef(media_id=""), [("/image/media_id", "media_source_invalid")]),
        (MediaRef(media_id="a b"), [("/image/media_id", "media_source_invalid")]),
        (MediaRef(media_id="../1"), [("/image/media_id", "media_source_invalid")]),
    ],
)
def test_media_come_from_exactly_one_source(media: MediaRef, expected: list[tuple[str, str]]) -> None:
    found = media_violations("/image", media, https_only=True)

    assert [(violation.pointer, violation.code) for violation in found] == expected


@pytest.mark.parametrize("filename", [None, "invoice.pdf", "Rechnung März.pdf", "請求書.pdf"])
def test_ordinary_file_names_are_accepted(filename: str | None) -> None:
    assert filename_violations("/filename", filename) == []


@pytest.mark.parametrize(
    ("filename", "code"),
    [
        ("../invoice.pdf", "filename_invalid"),
        ("C:\\invoice.pdf", "filename_invalid"),
        ("invoice\n.pdf", "filename_invalid"),
        ("invoice\x00.pdf", "filename_invalid"),
        ("", "value_empty"),
        ("a" * 241, "value_too_long"),
    ],
)
def test_a_file_name_is_one_line_and_no_path(filename: str, code: str) -> None:
    assert [violation.code for violation in filename_violations("/filename", filename)] == [code]


def test_a_name_is_repeated_in_a_pointer_if_it_is_short_and_clean() -> None:
    assert step("a" * 64) == "/" + "a" * 64
    assert step("a" * 65) == step("a\nb") == ""
    assert step("a/b~c") == "/a~1b~0c"
