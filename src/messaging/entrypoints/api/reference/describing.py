"""Adds public names, descriptions of properties and meanings of values to the schemas."""

import inspect
from collections.abc import Mapping
from typing import Any

from messaging.entrypoints.api.reference.words.names import public_name
from messaging.entrypoints.api.reference.words.properties import DESCRIPTIONS, SCHEMAS
from messaging.entrypoints.api.reference.words.values import VALUES, sentence

Json = dict[str, Any]
_REF = "#/components/schemas/"


def with_public_names(node: Any) -> Any:
    """The same document with every reference to a schema by its public name. Where a tag tells alternatives apart, a
    value fits exactly one: `oneOf`.
    """
    if isinstance(node, list):
        return [with_public_names(item) for item in node]
    if isinstance(node, str) and node.startswith(_REF):
        return _REF + public_name(node.removeprefix(_REF))
    if not isinstance(node, dict):
        return node
    told_apart = "discriminator" in node
    return {"oneOf" if told_apart and key == "anyOf" else key: with_public_names(value) for key, value in node.items()}


def described_schemas(components: Mapping[str, Json]) -> dict[str, Json]:
    """All schemas by their public names, each with its own description and one for each property."""
    return {
        (name := public_name(class_name)): _described(name, with_public_names(schema))
        for class_name, schema in components.items()
    }


def _described(name: str, schema: Json) -> Json:
    text = SCHEMAS.get(name) or inspect.cleandoc(schema.get("description", ""))
    properties = {
        property_name: describe(f"{name}.{property_name}", property_name, property_schema)
        for property_name, property_schema in schema.get("properties", {}).items()
    }
    described = {**schema, "title": name, "description": _joined(text, sentence(VALUES.get(name, {})))}
    if not described["description"]:
        del described["description"]
    return {**described, "properties": properties} if properties else described


def describe(place: str, name: str, schema: Json) -> Json:
    """`schema` with a description: the one it has, else the one of this place, else the one of this name."""
    own = schema.get("description") or _of_alternatives(schema)
    text = DESCRIPTIONS.get(place) or own or DESCRIPTIONS.get(name, "")
    text = _joined(text, sentence(VALUES.get(place, {})))
    return {**schema, "description": text} if text else schema


def _of_alternatives(schema: Json) -> str:
    texts = [option["description"] for option in schema.get("anyOf", ()) if option.get("description")]
    return texts[0] if len(texts) == 1 else ""


def _joined(*texts: str) -> str:
    return " ".join(text for text in texts if text)
