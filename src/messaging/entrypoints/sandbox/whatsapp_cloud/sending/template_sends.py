"""Checks that a template send fits its template, as Meta does before it takes the message."""

import re

from messaging.entrypoints.sandbox.core.wire import Json
from messaging.entrypoints.sandbox.whatsapp_cloud.templates.shape import MEDIA_FORMATS, Shape, hydrate, text_units
from messaging.entrypoints.sandbox.whatsapp_cloud.templates.templates import Template, Templates
from messaging.entrypoints.sandbox.whatsapp_cloud.wire.graph_errors import GraphError

_FORBIDDEN = re.compile(r"[\n\r\t]| {5,}")
_CONTROL_TEXT = "Param text cannot have new-line/tab characters or more than 4 consecutive spaces"


def check_template_send(templates: Templates, waba_id: str, content: Json) -> Template:
    """The template a send names, once everything about it fits; raises the Graph error otherwise."""
    template = _find(templates, waba_id, content)
    shape = templates.shape(template)
    components = content.get("components", [])
    if not isinstance(components, list) or not all(isinstance(part, dict) for part in components):
        raise GraphError(100, message="(#100) Param template['components'] must be an array of objects.")
    parts = {"header": [], "body": [], "button": []}  # type: dict[str, list[Json]]
    for part in components:
        kind = str(part.get("type", "")).lower()
        if kind not in parts:
            raise GraphError(100, message=f"(#100) Param template['components'] has an unknown type {kind!r}.")
        parts[kind].append(part)
    if len(parts["header"]) > 1 or len(parts["body"]) > 1:
        raise GraphError(132018, "There is more than one header or body component.")
    _check_header(shape, _parameters(parts["header"]))
    body = _check_texts("body", shape.body_names, _parameters(parts["body"]), named=shape.named)
    if text_units(hydrate(shape.body_text, body)) > 1024:
        raise GraphError(132005, "body: the text is longer than 1024 characters after substitution")
    _check_buttons(shape, parts["button"], body)
    return template


def _find(templates: Templates, waba_id: str, content: Json) -> Template:
    name = content.get("name")
    if not isinstance(name, str) or not name:
        raise GraphError(100, message="(#100) The parameter template['name'] is required.")
    language = content.get("language")
    code = language.get("code") if isinstance(language, dict) else None
    if not isinstance(code, str) or not code:
        raise GraphError(100, message="(#100) The parameter template['language']['code'] is required.")
    template = templates.languages(waba_id, name).get(code)
    if template is None or template.status not in ("APPROVED", "PAUSED", "DISABLED"):
        raise GraphError(132001, f"template name ({name}) does not exist in {code}")
    if template.status == "PAUSED":
        raise GraphError(132015)
    if template.status == "DISABLED":
        raise GraphError(132016)
    return template


def _parameters(parts: list[Json]) -> list[Json]:
    parameters = parts[0].get("parameters", []) if parts else []
    if not isinstance(parameters, list) or not all(isinstance(p, dict) for p in parameters):
        raise GraphError(100, message="(#100) Param parameters must be an array of objects.")
    return parameters


def _check_header(shape: Shape, parameters: list[Json]) -> None:
    if shape.header in MEDIA_FORMATS or shape.header == "LOCATION":
        received = str(parameters[0].get("type", "unknown")).upper() if len(parameters) == 1 else "UNKNOWN"
        if received != shape.header:
            raise GraphError(132012, f"header: Format mismatch, expected {shape.header}, received {received}")
        kind = shape.header.lower()
        value = parameters[0].get(kind)
        if not isinstance(value, dict):
            raise GraphError(131008, f"header: parameter of type {kind} is missing its {kind} object")
        if kind != "location" and ("id" in value) == ("link" in value):
            raise GraphError(131009, f"header: {kind} needs exactly one of id and link")
        return
    values = _check_texts("header", shape.header_names, parameters, named=shape.named)
    if shape.header == "TEXT" and text_units(hydrate(shape.header_text, values)) > 60:
        raise GraphError(132005, "header: the text is longer than 60 characters after substitution")


def _check_texts(where: str, names: tuple[str, ...], parameters: list[Json], *, named: bool) -> dict[str, str]:
    """Placeholder values by name; positional templates are filled in order."""
    if len(parameters) != len(names):
        raise GraphError(
            132000,
            f"{where}: number of localizable_params ({len(parameters)}) does not match the expected number of"
            f" params ({len(names)})",
        )
    values: dict[str, str] = {}
    for position, parameter in enumerate(parameters):
        name = parameter.get("parameter_name") if named else names[position]
        if not isinstance(name, str) or name not in names or name in values:
            raise GraphError(132012, f"{where}: parameter_name {name!r} is missing, unknown or repeated")
        values[name] = _text(where, parameter)
    return values


def _text(where: str, parameter: Json) -> str:
    kind = parameter.get("type")
    match kind:
        case "text":
            value = parameter.get("text")
        case "currency" | "date_time":
            inner = parameter.get(kind)
            value = inner.get("fallback_value") if isinstance(inner, dict) else None
        case _:
            raise GraphError(132012, f"{where}: Format mismatch, expected TEXT, received {str(kind).upper()}")
    if not isinstance(value, str) or not value.strip():
        raise GraphError(131008, f"{where}: parameter of type {kind} is missing its text")
    if _FORBIDDEN.search(value):
        raise GraphError(132018, _CONTROL_TEXT)
    return value


def _check_buttons(shape: Shape, parts: list[Json], body: dict[str, str]) -> None:
    given: dict[int, Json] = {}
    for part in parts:
        index = part.get("index")
        position = int(index) if isinstance(index, (int, str)) and str(index).isdecimal() else -1
        if not 0 <= position < len(shape.buttons) or position in given:
            raise GraphError(132018, f"buttons: there is no button at index {index!r}, or it is given twice")
        given[position] = part
    for position, button in enumerate(shape.buttons):
        found = given.get(position)
        required = button.url is not None or button.kind in ("OTP", "COPY_CODE")
        if found is None:
            if required:
                raise GraphError(
                    131008, f"buttons: Button at index {position} of type {button.kind} requires a parameter"
                )
            continue
        _check_button(position, button.kind, button.url, found, body)


def _check_button(position: int, kind: str, url: str | None, part: Json, body: dict[str, str]) -> None:
    expected = {"OTP": "url", "URL": "url", "QUICK_REPLY": "quick_reply", "COPY_CODE": "copy_code"}.get(kind)
    if str(part.get("sub_type", "")).lower() != expected or (kind == "URL" and url is None):
        raise GraphError(132012, f"buttons: Button at index {position} of type {kind} takes no such parameter")
    parameters = _parameters([part])
    key = {"quick_reply": "payload", "copy_code": "coupon_code"}.get(expected, "text")
    if len(parameters) != 1 or parameters[0].get("type") != key:
        raise GraphError(132012, f"buttons: Button at index {position} takes one parameter of type {key}")
    value = parameters[0].get(key)
    if not isinstance(value, str) or not value:
        raise GraphError(131008, f"buttons: Button at index {position} is missing its {key}")
    _check_button_value(position, kind, url, value, body)


def _check_button_value(position: int, kind: str, url: str | None, value: str, body: dict[str, str]) -> None:
    if kind == "OTP" and (len(value) > 15 or value not in body.values()):
        raise GraphError(132018, "buttons: the code has at most 15 characters and equals the one in the body")
    if kind == "COPY_CODE" and (len(value) > 15 or not value.isalnum()):
        raise GraphError(132018, "buttons: a coupon code has at most 15 letters and digits")
    if kind == "QUICK_REPLY" and len(value) > 256:
        raise GraphError(132018, f"buttons: the payload of button {position} is longer than 256 characters")
    if url is not None and len(url) + len(value) > 2000:
        raise GraphError(132005, f"buttons: the URL of button {position} is longer than 2000 characters")
    if _FORBIDDEN.search(value):
        raise GraphError(132018, _CONTROL_TEXT)
