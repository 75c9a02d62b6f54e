"""A source is read whole: its variables, and all of its faults with their places."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messaging.domain.templates.own.engine import read_fault
from messaging.domain.templates.own.language import MOST_PROBLEMS, MOST_TAGS, in_order, read


def problems(source: str) -> list[tuple[int, int, str]]:
    return [(it.line, it.column, it.detail) for it in in_order(read(source).problems)]


def test_variables_are_those_that_no_loop_brings() -> None:
    reading = read("{{ name }}{% for it in items %}{{ loop.index }} {{ it.sku|upper }} {{ total }}{% endfor %}")

    assert list(reading.variables) == ["name", "items", "total"]
    assert list(reading.fields) == ["sku"]
    assert reading.problems == []


def test_a_test_is_no_variable_also_when_it_is_denied() -> None:
    assert list(read("{{ a if b is not even else c }}").variables) == ["a", "b", "c"]
    assert "no test 'nosuch'" in problems("{{ a if b is not nosuch }}")[0][2]


def test_what_follows_a_note_at_once_is_read() -> None:
    assert list(read("{# note #}{{ name }}").variables) == ["name"]


def test_the_first_place_of_a_variable_is_kept() -> None:
    used = read("Hi\n  {{ name }} {{ name }}").variables["name"]

    assert (used.line, used.column) == (2, 6)


def test_all_faults_are_told_with_line_and_column() -> None:
    found = problems("{{ a b }}\n{{ c|nosuch }}\n{% set x = 1 %}\n{{ d * 2 }}\n{% if e %}")

    assert [(line, column) for line, column, _ in found] == [(1, 6), (2, 6), (3, 1), (4, 6), (5, 1)]
    assert "no filter 'nosuch'. There are: capitalize" in found[1][2]
    assert "The statements are if" in found[2][2]
    assert "{% endif %}" in found[4][2]


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("Hi {{ name", "never closed. Write }}"),
        ("{# note", "never closed. Write #}"),
        ("{{ name {{ other }}", "not closed before this brace"),
        ("{{ }}", "empty"),
        ("{{ name() }}", "Nothing can be called"),
        ("{{ name.upper() }}", "Nothing can be called"),
        ("{{ many.append(1) }}", "Nothing can be called"),
        ("{{ a is defined }}", "no test 'defined'"),
        ("{{ a[0] }}", "no ["),
        ("{{ 'x' * 1000000000 }}", "no *"),
        ("{% for a, b in c %}{% endfor %}", "one name, and one list"),
        ("{% for a in b if a %}{% endfor %}", "no condition of its own"),
        ("{% for a in b %}{{ loop.cycle }}{% endfor %}", "A loop has no 'cycle'"),
        ("{% if a %}{% else %}{% else %}{% endif %}", "belongs to no open if"),
        ("{% endfor %}", "no open for"),
        ("{% if a %}{% for x in b %}{% endif %}", "Write {% endfor %} before this"),
        ("{% if a %}{% endif b %}", "Nothing follows endif"),
        ("{% raw %}{% endraw %}", "no statement 'raw'"),
        ("{% if a %}" * 9 + "{% endif %}" * 9, "in each other"),
        ("{{ " + "not " * 100 + "a }}", "words and signs"),
        ("{{ a }}" * (MOST_TAGS + 1), "tags"),
        ("{% include 'x' %}", "no statement 'include'"),
        ("{% macro m() %}{% endmacro %}", "no statement 'macro'"),
        ("{{ a..b }}", "cannot be read"),
    ],
)
def test_a_fault_is_told_with_how_to_mend_it(source: str, told: str) -> None:
    assert told in problems(source)[0][2]


@pytest.mark.parametrize(
    "source",
    [
        "{%- if a -%} x {%- elif b == 'q' or not c -%} y {%- else -%} z {%- endif -%}",
        "{{- a -}}",
        "{{ '}}' }} {{ \"%}\" }}",
        "{{ (a or b)|default('x') }}",
        "{{ a if b is not even else c }}",
        "{{ 'x' if a not in b }}",
        "{{ names|join(sep) }}",
        "{# {{ anything #}",
        "{ } %} }} {{ a }}",
        "",
    ],
)
def test_what_the_language_has_is_read(source: str) -> None:
    assert problems(source) == []


def test_no_more_faults_are_told_than_help_anybody() -> None:
    assert len(problems("{{ a b }}" * 500)) == MOST_PROBLEMS


WORDS = st.sampled_from(
    ["{{", "}}", "{%", "%}", "{#", "#}", "if", "for", "in", "endif", "else", "a", "b.c", "|upper", "|x", "'", "("]
)


@given(st.lists(WORDS, max_size=30).map(" ".join))
def test_what_is_read_without_a_fault_is_read_by_the_engine_too(source: str) -> None:
    reading = read(source)

    fault = read_fault(source)
    assert reading.problems or fault is None
    assert all(it.line >= 1 and it.column >= 1 for it in reading.problems)
