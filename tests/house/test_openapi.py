"""Has the public contract changed? A change of openapi.json must be meant: it breaks or extends somebody's client.

After a change that is meant: `app openapi > tests/house/openapi.json`.
"""

import json
from pathlib import Path
from typing import Any

from messaging.entrypoints.api.edge.errors import PROBLEMS
from messaging.entrypoints.api.reference.openapi import openapi_document
from messaging.entrypoints.api.reference.words.responses import response_name

GOLDEN = Path(__file__).with_name("openapi.json")


def test_the_contract_is_the_recorded_one() -> None:
    assert openapi_document() == json.loads(GOLDEN.read_text())


def operations() -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{method.upper()} {path}", operation)
        for path, methods in openapi_document()["paths"].items()
        for method, operation in methods.items()
    ]


def test_operation_ids_are_unique_and_stable_names() -> None:
    ids = [operation["operationId"] for _, operation in operations()]

    assert len(ids) == len(set(ids))
    assert all(id.replace("_", "").isalpha() and id.islower() for id in ids)


def test_every_operation_on_tenants_data_asks_for_the_right_key() -> None:
    for name, operation in operations():
        path = name.split(" ")[1]
        expected: list[dict[str, list[str]]] = (
            [{"tenant": []}] if path.startswith("/v1/") else [{"admin": []}] if "/admin/" in path else []
        )
        assert operation["security"] == expected, name


def test_every_refusal_is_a_problem_document() -> None:
    for name, operation in operations():
        for status, response in operation["responses"].items():
            if name.split(" ")[1].startswith(("/v1/", "/admin/")) and not status.startswith("2"):
                assert response == {"$ref": f"#/components/responses/{response_name(int(status))}"}, name


def test_every_mutating_operation_takes_an_idempotency_key() -> None:
    for name, operation in operations():
        names = {parameter["name"] for parameter in operation.get("parameters", [])}
        mutates = not name.startswith("GET") and operation["operationId"] != "check_message"
        assert ("Idempotency-Key" in names) == mutates, name


def test_every_body_has_an_example() -> None:
    for name, operation in operations():
        if "requestBody" in operation:
            content = operation["requestBody"]["content"]["application/json"]
            assert "example" in content or content.get("examples"), name


def test_problem_codes_have_a_title_and_an_error_status() -> None:
    for code, kind in PROBLEMS.items():
        assert kind.title
        assert 400 <= kind.status < 600, code
