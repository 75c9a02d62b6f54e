"""A stranger's template renders what it is given, reaches nothing else, and comes to an end."""

import pytest

from messaging.domain.content.parameters import Value
from messaging.domain.templates.own.engine import FUEL, Fault, render

LONG: Value = "x" * 10_000
MANY: Value = list(range(200))


def test_values_stand_where_they_are_named() -> None:
    source = "Hi {{ name }}{% if late %}, late{% endif %}:{% for it in items %} {{ it.sku }}{% endfor %}"
    values: dict[str, Value] = {"name": "Ana", "late": True, "items": [{"sku": "A"}, {"sku": "B"}]}

    assert render(source, values, html=False) == "Hi Ana, late: A B"


def test_html_is_escaped_and_text_is_not() -> None:
    values: dict[str, Value] = {"name": '<script>"&'}

    assert render("{{ name }}", values, html=True) == "&lt;script&gt;&quot;&amp;"
    assert render("{{ name }}", values, html=False) == '<script>"&'


@pytest.mark.parametrize("source", ["{{ name|safe }}", "{{ name|escape|safe }}"])
def test_escaping_cannot_be_switched_off(source: str) -> None:
    assert isinstance(render(source, {"name": "<b>"}, html=True), Fault)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ day|date('%d.%m.%Y') }}", "29.11.2026"),
        ("{{ at|date('%H:%M', 'Europe/Paris') }}", "10:30"),
        ("{{ at|date }}", "2026-11-29"),
        ("{{ total|number(2, ',', '.') }}", "1.234.567,50"),
        ("{{ total|number }}", "1234568"),
        ("{{ names|join(', ') }}", "Ana, Bo"),
        ("{{ name|upper|truncate(length=4, leeway=0) }}", "A..."),
    ],
)
def test_filters_write_dates_numbers_and_lists(source: str, text: str) -> None:
    values: dict[str, Value] = {
        "day": "2026-11-29",
        "at": "2026-11-29T09:30:00Z",
        "total": 1234567.5,
        "names": ["Ana", "Bo"],
        "name": "Anabel",
    }

    assert render(source, values, html=False) == text


@pytest.mark.parametrize(
    "source",
    [
        "{{ day|date('%A') }}",
        "{{ day|date('%s' ) }}",
        "{{ at|date('%H', '../../etc/passwd') }}",
        "{{ at|date('%H', 'No/Where') }}",
        "{{ day|number }}",
        "{{ total|number(1000000000) }}",
        "{{ total|number(2, '--------') }}",
        "{{ total|date }}",
        "{{ 'soon'|date }}",
    ],
)
def test_a_filter_says_what_it_does_not_take(source: str) -> None:
    values: dict[str, Value] = {"day": "2026-11-29", "at": "2026-11-29T09:30:00Z", "total": 1.5}

    assert isinstance(render(source, values, html=False), Fault)


def test_a_fault_tells_its_place_in_characters_and_never_a_value() -> None:
    fault = render("é {{ name }} {{ missing }}", {"name": "secret"}, html=False)

    assert fault == Fault("`missing` is undefined", at=16)


@pytest.mark.parametrize(
    "source",
    [
        "{% for a in many %}{% for b in many %}{% for c in many %}{{ long }}{% endfor %}{% endfor %}{% endfor %}",
        "{% for a in many %}" + "{{ long }}" * 2_000 + "{% endfor %}",
        "{% for a in many %}" + "r" * 32_000 + "{% endfor %}",
        "{{ long" + "|upper" * 500 + " }}",
        "{% for a in long %}{% for b in long %}.{% endfor %}{% endfor %}",
    ],
    ids=["nested loops", "many values", "much text", "chained upper", "characters"],
)
def test_a_bomb_runs_out_of_fuel(source: str) -> None:
    fault = render(source, {"many": MANY, "long": LONG}, html=True)

    assert isinstance(fault, Fault)
    assert fault.exhausted


def test_what_fuel_allows_is_a_megabyte_at_most() -> None:
    longest = render("{{ long }}" * 125, {"long": LONG}, html=False)

    assert isinstance(longest, str)
    assert len(longest) < FUEL * 64
    assert isinstance(render("{{ long }}" * 130, {"long": LONG}, html=False), Fault)


@pytest.mark.parametrize(
    "source",
    [
        "{{ 'a'|tojson(indent=1000000000) }}",
        "{% include 'other' %}",
        "{% extends 'other' %}",
        "{% import 'other' as it %}",
        "{{ range(1000000000) }}",
        "{{ debug() }}",
        "{{ lipsum(100) }}",
        "{{ namespace() }}",
        "{{ many|attr('__class__') }}",
        "{{ many.__class__ }}",
        "{{ long.upper() }}",
        "{{ long|replace('x', 'xxxxxxxxxx') }}",
        "{{ long|split('x')|join(long) }}",
        "{{ many|map('upper') }}",
        "{{ self }}",
        "{% for x in many recursive %}{{ loop(many) }}{% endfor %}",
    ],
)
def test_nothing_else_is_reached(source: str) -> None:
    assert isinstance(render(source, {"many": MANY, "long": LONG}, html=False), Fault)
