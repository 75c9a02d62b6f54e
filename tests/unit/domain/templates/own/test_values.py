"""Values are checked against a template's parameters, and everything wrong with them is listed."""

import pytest

from messaging.domain.content.parameters import Value
from messaging.domain.templates.own.definition import Parameter, ParameterType
from messaging.domain.templates.own.values import MAX_ITEMS, MAX_TEXT, bind

T = ParameterType
PARAMETERS = (
    Parameter(name="name"),
    Parameter(name="total", type=T.NUMBER),
    Parameter(name="gift", type=T.BOOLEAN, default=False),
    Parameter(name="rows", type=T.LIST, fields=("sku", "count"), default=[]),
)


def wrong(parameter: Parameter, value: Value) -> list[tuple[str, str]]:
    return [(it.pointer, it.code) for it in bind((parameter,), {parameter.name: value})[1]]


def test_defaults_complete_what_is_given() -> None:
    values, violations = bind(PARAMETERS, {"name": "Ana", "total": 12})

    assert values == {"name": "Ana", "total": 12, "gift": False, "rows": []}
    assert violations == ()


def test_everything_wrong_is_listed_at_once() -> None:
    given: dict[str, Value] = {"total": "12", "gift": "yes", "rows": [{"sku": "A"}, "B"], "nmae": "Ana"}

    _, violations = bind(PARAMETERS, given)

    assert [(it.pointer, it.code) for it in violations] == [
        ("/variables/name", "variable_missing"),
        ("/variables/total", "variable_type"),
        ("/variables/gift", "variable_type"),
        ("/variables/rows/0", "variable_type"),
        ("/variables/rows/1", "variable_type"),
        ("/variables/nmae", "variable_unexpected"),
    ]
    assert all("Ana" not in it.detail for it in violations[1:])


@pytest.mark.parametrize(
    ("type_", "right", "wrong_ones"),
    [
        (T.TEXT, ["", "é\n"], [1, True, ["a"]]),
        (T.NUMBER, [0, -1.5, 2**53], [True, "1", 2**53 + 1, float("inf"), float("nan"), 10**400, [1]]),
        (T.BOOLEAN, [True, False], [0, 1, "true"]),
        (T.DATE, ["2026-11-29"], ["29.11.2026", "2026-02-30", "20261129", "2026-W48-7", 20261129]),
        (T.DATETIME, ["2026-11-29T09:30:00Z", "2026-11-29T09:30:00+05:30"], ["2026-11-29", "2026-11-29T09:30:00", 1]),
        (T.URL, ["https://example.com/a?b=1"], ["javascript:alert(1)", "example.com", "http://localhost/", "", 1]),
        (T.LIST, [[], ["a", 1, True]], ["a", [{"a": 1}], [0] * (MAX_ITEMS + 1)]),
    ],
)
def test_a_type_takes_its_values_and_no_others(
    type_: ParameterType, right: list[Value], wrong_ones: list[Value]
) -> None:
    parameter = Parameter(name="it", type=type_)

    assert [wrong(parameter, value) for value in right] == [[]] * len(right)
    assert all(wrong(parameter, value)[0][1] == "variable_type" for value in wrong_ones)


def test_texts_hold_no_control_characters_and_have_an_end() -> None:
    name, rows = Parameter(name="it"), Parameter(name="it", type=T.LIST, fields=("a",))

    assert wrong(name, "a\x00") == [("/variables/it", "control_character")]
    assert wrong(name, "x" * (MAX_TEXT + 1)) == [("/variables/it", "value_too_long")]
    assert wrong(rows, [{"a": "\x07"}]) == [("/variables/it/0/a", "control_character")]
    assert wrong(rows, [{"a": 10**400}]) == [("/variables/it/0/a", "variable_type")]


def test_thousands_of_surplus_values_are_counted_not_listed() -> None:
    given: dict[str, Value] = {f"v{number}": "x" for number in range(1000)}

    _, violations = bind((), given)

    assert [(it.pointer, it.code) for it in violations] == [("/variables", "variable_unexpected")]
