"""What a text message is cut into."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messaging.domain.content.segments import SmsEncoding, count_segments


@pytest.mark.parametrize(
    ("text", "segments"),
    [
        ("", 1),
        *(("a" * length, parts) for length, parts in ((160, 1), (161, 2), (306, 2), (307, 3), (1530, 10), (1600, 11))),
        ("€" * 80, 1),
        ("€" * 81, 2),
        # An extension character is not cut in two: 152 septets and the pair would be 154.
        ("a" * 152 + "€" + "a" * 152, 3),
        ("@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ ¤¡ÄÖÑÜ§¿äöñüà", 1),
    ],
)
def test_a_text_of_the_gsm_alphabet_is_counted_in_septets(text: str, segments: int) -> None:
    counted = count_segments(text)

    assert (counted.encoding, counted.segments, counted.not_gsm) == (SmsEncoding.GSM_7, segments, ())


@pytest.mark.parametrize(
    ("text", "segments"),
    [
        *(("я" * length, parts) for length, parts in ((70, 1), (71, 2), (134, 2), (135, 3))),
        ("😀" * 35, 1),
        ("😀" * 36, 2),
        # A surrogate pair is not cut in two: 67 units hold 33 of them.
        ("😀" * 66, 2),
        ("😀" * 67, 3),
    ],
)
def test_any_other_character_makes_all_of_it_ucs_2(text: str, segments: int) -> None:
    counted = count_segments(text)

    assert (counted.encoding, counted.segments) == (SmsEncoding.UCS_2, segments)


@pytest.mark.parametrize("char", [*"çáíóúâêîôû“”‘’–—…•`\t\u00a0"])
def test_characters_that_are_often_taken_for_gsm_are_named(char: str) -> None:
    assert count_segments(f"a{char}b{char}").not_gsm == (char,)


def test_one_emoji_more_than_doubles_what_a_text_costs() -> None:
    plain, with_emoji = count_segments("a" * 160), count_segments("a" * 160 + "😀")

    assert (plain.segments, plain.units) == (1, 160)
    assert (with_emoji.segments, with_emoji.units, with_emoji.not_gsm) == (3, 162, ("😀",))


@given(st.text(alphabet="aé€^я😀", max_size=400))
def test_no_segment_holds_more_than_it_can(text: str) -> None:
    counted = count_segments(text)
    most = 153 if counted.encoding is SmsEncoding.GSM_7 else 67

    assert counted.segments == 1 or counted.units <= counted.segments * most
    assert counted.segments == 1 or counted.units > (counted.segments - 1) * (most - 1)
