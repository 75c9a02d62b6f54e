"""The API reference is complete: all schemas, properties, parameters and values are described, all answers shown."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import msgspec

from messaging.entrypoints.api.edge.errors import PROBLEMS
from messaging.entrypoints.api.reference.openapi import openapi_document, routes
from messaging.entrypoints.api.reference.words.examples import EXAMPLES, example_of
from messaging.entrypoints.api.reference.words.names import public_name
from messaging.entrypoints.api.reference.words.properties import DESCRIPTIONS
from messaging.entrypoints.api.reference.words.values import VALUES

HOW = "describe it in entrypoints/api/reference/words, or beside the field with Meta(description=…)"


@cache
def document() -> dict[str, Any]:
    return openapi_document()


def schemas() -> dict[str, Any]:
    found: dict[str, Any] = document()["components"]["schemas"]
    return found


def properties() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, schema in schemas().items():
        for property_name, property_schema in schema.get("properties", {}).items():
            yield f"{name}.{property_name}", property_schema


def operations() -> Iterator[dict[str, Any]]:
    for methods in document()["paths"].values():
        yield from methods.values()


def parameters() -> Iterator[tuple[str, dict[str, Any]]]:
    for operation in operations():
        for parameter in operation.get("parameters", ()):
            yield f"{operation['operationId']}.{parameter['name']}", parameter


def values_of(schema: dict[str, Any]) -> list[str]:
    of_items = schema.get("items", {}).get("enum", ())
    within = [value for option in schema.get("anyOf", ()) for value in values_of(option)]
    return [value for value in (*schema.get("enum", ()), *of_items, *within) if value is not None]


def undescribed(described: Iterator[tuple[str, str, dict[str, Any]]]) -> list[str]:
    return [
        f"{place}: {value}"
        for place, text, schema in described
        for value in values_of(schema)
        if f"`{value}`" not in text
    ]


def test_every_schema_property_and_parameter_has_a_description() -> None:
    missing = [name for name, schema in schemas().items() if not schema.get("description")]
    missing += [place for place, schema in properties() if not schema.get("description")]
    missing += [place for place, parameter in parameters() if not parameter.get("description")]

    assert missing == [], HOW


def test_every_value_of_a_closed_list_has_a_meaning() -> None:
    found = [(name, schema.get("description", ""), schema) for name, schema in schemas().items()]
    found += [(place, schema.get("description", ""), schema) for place, schema in properties()]
    found += [(place, parameter["description"], parameter["schema"]) for place, parameter in parameters()]

    assert undescribed(iter(found)) == [], "add its meaning to entrypoints/api/reference/words/values.py"


def test_every_answer_has_an_example_of_its_own_type() -> None:
    lacking = [route.operation.id for route in routes() if not example_of(route.operation.returns)]
    lacking += [route.operation.id for route in routes() if example_of(route.operation.returns).get("data") == [{}]]

    assert lacking == [], "write one in entrypoints/api/reference/words/examples.py"
    for route in routes():
        msgspec.convert(example_of(route.operation.returns), route.operation.returns)


def test_every_example_of_an_answer_shows_every_property() -> None:
    short = [
        f"{name}: {sorted(set(schemas()[name]['properties']) - set(example))}"
        for name, example in EXAMPLES.items()
        if set(schemas()[name]["properties"]) - set(example)
    ]

    assert short == []


def test_every_problem_code_has_an_example_in_the_shared_responses() -> None:
    shown = [
        code
        for response in document()["components"]["responses"].values()
        for content in response["content"].values()
        for code in content["examples"]
    ]

    assert sorted(shown) == sorted(PROBLEMS)


def test_schemas_have_names_for_people_and_no_two_the_same() -> None:
    odd = [name for name in schemas() if "_" in name or name.endswith(("View", "Body"))]

    assert odd == [], "choose one in entrypoints/api/reference/words/names.py"
    assert public_name("ListView_MessageView_") == "MessageList"


def test_no_words_are_left_of_what_is_gone() -> None:
    concurrency = {place for place, _ in properties()} | {place for place, _ in parameters()}
    described = {place for place in DESCRIPTIONS if "." in place}

    assert sorted(described - concurrency) == []
    assert sorted({place for place in VALUES if "." in place} - concurrency) == []
    assert sorted({name for name in VALUES if "." not in name} - set(schemas())) == []
    assert sorted(set(EXAMPLES) - set(schemas())) == []
