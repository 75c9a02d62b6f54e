"""Are blanks found where they are, and nothing else taken for one?"""

from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messaging.domain.shared.text import utf16_units
from messaging.domain.templates.placeholders import fill, filled_units, read

NAMES = st.from_regex(r"[A-Za-z0-9_]{1,12}", fullmatch=True)
TEXTS = st.text(st.characters(exclude_characters="{}", codec="utf-8"), max_size=20)


@given(texts=st.lists(TEXTS, min_size=1, max_size=6), data=st.data())
def test_a_text_is_read_as_it_was_put_together(texts: list[str], data: st.DataObject) -> None:
    blanks = data.draw(st.lists(NAMES, min_size=len(texts) - 1, max_size=len(texts) - 1))
    text = texts[0] + "".join(f"{{{{{name}}}}}{after}" for name, after in zip(blanks, texts[1:], strict=True))

    pattern = read(text)

    assert pattern.texts == tuple(texts)
    assert pattern.blanks == tuple(blanks)
    assert pattern.names == tuple(dict.fromkeys(blanks))
    assert pattern.well_formed
    assert fill(pattern, {}) == text


@given(text=st.text("{}1a _", max_size=40))
def test_nothing_is_lost_however_the_braces_fall(text: str) -> None:
    pattern = read(text)

    # Only the padding inside the braces of a placeholder may go.
    assert fill(pattern, {}).replace(" ", "") == text.replace(" ", "")


@given(values=st.dictionaries(NAMES, st.text(max_size=20), min_size=1, max_size=4), data=st.data())
def test_filled_texts_have_the_length_that_was_foretold(values: dict[str, str], data: st.DataObject) -> None:
    blanks = data.draw(st.lists(st.sampled_from(sorted(values)), max_size=6))
    pattern = read("→ " + "".join(f"{{{{{name}}}}}😀" for name in blanks))

    assert filled_units(pattern, values) == utf16_units(fill(pattern, values))


@pytest.mark.parametrize(
    ("text", "blanks", "well_formed"),
    [
        ("No blanks at all", (), True),
        ("Hello {{1}}", ("1",), True),
        ("{{first_name}} and {{first_name}}", ("first_name", "first_name"), True),
        ("A brace { and another }", (), True),
        ("{{{1}}}", ("1",), True),
        ("{{ 1 }}", ("1",), False),
        ("{{}}", (), False),
        ("{{ }}", (), False),
        ("{{1", (), False),
        ("1}}", (), False),
        ("{{1}} {{", ("1",), False),
        ("{{{{1}}}}", ("1",), False),
        ("{{first name}}", (), False),
        ("{{имя}}", (), False),
        ("{{١}}", (), False),
        ("{{" + "a" * 64 + "}}", ("a" * 64,), True),
        ("{{" + "a" * 65 + "}}", (), False),
    ],
)
def test_only_names_between_double_braces_are_blanks(text: str, blanks: tuple[str, ...], well_formed: bool) -> None:
    pattern = read(text)

    assert pattern.blanks == blanks
    assert pattern.well_formed is well_formed


@pytest.mark.parametrize(
    "attack",
    [
        "{{''.__class__.__mro__}}",
        "{{7*7}}",
        "{{config|attr('x')}}",
        "{% for i in range(1e9) %}x{% endfor %}",
        "{0.__class__}",
        "%(name)s",
        "${name}",
        "#{7*7}",
    ],
)
def test_template_languages_are_plain_text(attack: str) -> None:
    pattern = read(attack)

    assert pattern.blanks == ()
    assert fill(pattern, {"name": "x", "0": "x"}) == attack


def test_a_value_that_looks_like_a_blank_is_not_filled_again() -> None:
    assert fill(read("{{1}} {{2}}"), {"1": "{{2}}", "2": "x"}) == "{{2}} x"


@pytest.mark.parametrize("text", ["{{" * 200_000, "{{-}}" * 80_000, "{{" * 200_000 + "}}", "}}{{" * 100_000])
def test_hostile_texts_are_read_in_linear_time(text: str) -> None:
    began = process_time()

    read.__wrapped__(text)

    # A quadratic reader would need minutes.
    assert process_time() - began < 2
