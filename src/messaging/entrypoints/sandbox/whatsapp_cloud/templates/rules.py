"""Checks a new template against Meta's documented rules, and refuses it as Meta does."""

import itertools
import re
from collections.abc import Callable

from messaging.entrypoints.sandbox.core.wire import Json
from messaging.entrypoints.sandbox.whatsapp_cloud.templates.shape import (
    MEDIA_FORMATS,
    PLACEHOLDER,
    buttons_of,
    component,
    placeholders,
    text_of,
    text_units,
)
from messaging.entrypoints.sandbox.whatsapp_cloud.wire.graph_errors import GraphError, missing

CATEGORIES = ("AUTHENTICATION", "MARKETING", "UTILITY")
FORMATS = ("POSITIONAL", "NAMED")
# The codes Meta lists; one string keeps the table readable.
_CODES = """
    af sq ar ar_EG ar_AE ar_LB ar_MA ar_QA az be_BY bn bn_IN bg ca zh_CN zh_HK zh_TW hr cs da prs_AF nl nl_BE
    en en_GB en_US en_AE en_AU en_CA en_GH en_IE en_IN en_JM en_MY en_NZ en_QA en_SG en_UG en_ZA et fil fi fr
    fr_BE fr_CA fr_CH fr_CI fr_MA ka de de_AT de_CH el gu ha he hi hu id ga it ja kn kk rw_RW ko ky_KG lo lv lt
    mk ms ml mr nb ps_AF fa pl pt_BR pt_PT pa ro ru sr si_LK sk sl es es_AR es_CL es_CO es_CR es_DO es_EC es_HN
    es_MX es_PA es_PE es_ES es_UY sw sv ta te th tr uk ur uz vi zu
"""
LANGUAGES = frozenset(_CODES.split())
_NAME = re.compile(r"[a-z0-9_]{1,512}")
_NAMED = re.compile(r"[a-z_]+")
_LEADING_OR_TRAILING = re.compile(r"^\s*\{\{|\}\}\s*$")
_LIMITS = {"QUICK_REPLY": 10, "URL": 2, "PHONE_NUMBER": 1, "COPY_CODE": 1, "OTP": 1}


def refused(subcode: int, title: str, message: str) -> GraphError:
    """Code 100 in the form template creation uses: the reason is in the subcode and the user's text."""
    return GraphError(100, message="Invalid parameter", subcode=subcode, user=(title, message))


def check_definition(name: str, language: str, category: str, parameter_format: str, parts: list[Json]) -> None:
    """Raise the first rule the definition breaks; the order is ours, Meta's is not documented."""
    if not _NAME.fullmatch(name):
        raise refused(2388040, "Template name is not valid", "Use up to 512 lowercase letters, digits or _.")
    if language not in LANGUAGES:
        raise GraphError(100, message=f"(#100) Param language must be one of the supported codes, not {language}.")
    if category not in CATEGORIES:
        raise GraphError(100, message=f"(#100) Param category must be one of {{{', '.join(CATEGORIES)}}}.")
    if parameter_format not in FORMATS:
        raise GraphError(100, message=f"(#100) Param parameter_format must be one of {{{', '.join(FORMATS)}}}.")
    check_components(category, parameter_format, parts)


def check_components(category: str, parameter_format: str, parts: list[Json]) -> None:
    """Raise the first rule the components break."""
    kinds = [text_of(part, "type").upper() for part in parts]
    for kind in kinds:
        if kind not in _CHECKS:
            raise GraphError(
                100, f"The sandbox knows {', '.join(_CHECKS)}.", message=f"(#100) Unknown component {kind!r}."
            )
        if kinds.count(kind) > 1:
            raise refused(2388047, "Duplicate component", f"There is more than one {kind} component.")
    if "BODY" not in kinds:
        raise missing("components[BODY]")
    for kind, part in zip(kinds, parts, strict=True):
        _CHECKS[kind](part, category, parameter_format)
    if category == "AUTHENTICATION" and [b for b in buttons_of(parts) if text_of(b, "type").upper() != "OTP"]:
        raise refused(2388072, "Buttons are not allowed", "Authentication templates have one OTP button.")
    if category == "AUTHENTICATION" and component(parts, "BUTTONS") is None:
        raise _missing_field("BUTTONS", "buttons")


def _check_header(part: Json, category: str, parameter_format: str) -> None:
    header_format = text_of(part, "format").upper()
    if category == "AUTHENTICATION":
        raise refused(2388047, "Header is not allowed", "Authentication templates have no header.")
    if header_format == "LOCATION":
        return
    if header_format in MEDIA_FORMATS:
        handles = _example(part).get("header_handle")
        if not isinstance(handles, list) or not handles:
            raise _missing_field("HEADER", "example")
        return
    if header_format != "TEXT":
        raise GraphError(100, message=f"(#100) Unknown header format {header_format!r}.")
    text = text_of(part)
    if not 0 < text_units(text) <= 60:
        raise refused(2388047, "Header text is too long or empty", "The header has 1 to 60 characters.")
    if len(PLACEHOLDER.findall(text)) > 1:
        raise refused(2388047, "Too many header variables", "A header has at most one variable.")
    _check_placeholders(part, text, parameter_format, 2388047)


def _check_body(part: Json, category: str, parameter_format: str) -> None:
    text = text_of(part)
    if category == "AUTHENTICATION":
        if text:
            raise refused(2388072, "Body is fixed", "The body of an authentication template is set by Meta.")
        return
    if not 0 < text_units(text) <= 1024:
        raise refused(2388040, "Body is too long or empty", "The body has 1 to 1024 characters.")
    if _LEADING_OR_TRAILING.search(text):
        raise refused(
            2388299, "Variables can't be at the start or end", "Put text before the first and after the last one."
        )
    found = PLACEHOLDER.findall(text)
    if re.search(r"\}\}\s*\{\{", text) or len(PLACEHOLDER.sub("", text).split()) < len(found):
        raise refused(
            2388293,
            "Parameters words ratio exceeds limit",
            "This template has too many variables for its length: reduce them or write a longer text.",
        )
    _check_placeholders(part, text, parameter_format, 2388072)


def _check_footer(part: Json, category: str, parameter_format: str) -> None:
    del parameter_format
    text = text_of(part)
    if category == "AUTHENTICATION" and not text:
        return  # its footer is an expiry time, not a text
    if not 0 < text_units(text) <= 60 or PLACEHOLDER.search(text):
        raise refused(2388073, "Footer is not valid", "The footer has 1 to 60 characters and no variables.")


def _check_buttons(part: Json, category: str, parameter_format: str) -> None:
    del category, parameter_format
    buttons = buttons_of([part])
    kinds = [text_of(button, "type").upper() for button in buttons]
    if not 1 <= len(kinds) <= 10:
        raise refused(2388072, "Wrong number of buttons", "A template has 1 to 10 buttons.")
    for kind in kinds:
        if kind not in _LIMITS:
            raise GraphError(100, f"The sandbox knows {', '.join(_LIMITS)}.", message=f"(#100) Button {kind!r}.")
        if kinds.count(kind) > _LIMITS[kind]:
            raise refused(2388072, "Too many buttons", f"At most {_LIMITS[kind]} of {kind}.")
    replies = [kind == "QUICK_REPLY" for kind in kinds]
    if sum(a != b for a, b in itertools.pairwise(replies)) > 1:
        raise refused(2388072, "Buttons are mixed", "Quick replies stand together, before or after the others.")
    for kind, button in zip(kinds, buttons, strict=True):
        _check_button(kind, button)


def _check_button(kind: str, button: Json) -> None:
    if kind not in ("OTP", "COPY_CODE") and not 0 < text_units(text_of(button)) <= 25:
        raise refused(2388072, "Button text is not valid", "A button text has 1 to 25 characters.")
    if kind == "PHONE_NUMBER" and not 0 < len(text_of(button, "phone_number")) <= 20:
        raise refused(2388072, "Phone number is not valid", "A phone number has 1 to 20 characters.")
    if kind == "URL":
        _check_url(button)


def _check_url(button: Json) -> None:
    url = text_of(button, "url")
    if not 0 < len(url) <= 2000 or not url.startswith(("http://", "https://")):
        raise refused(2388072, "Button URL is not valid", "A URL has 1 to 2000 characters.")
    variables = PLACEHOLDER.findall(url)
    if variables and (len(variables) > 1 or not url.endswith("}}")):
        raise refused(2388072, "Button URL is not valid", "A URL has one variable, at its end.")
    if variables and not button.get("example"):
        raise _missing_field("BUTTONS", "example")


def _check_placeholders(part: Json, text: str, parameter_format: str, subcode: int) -> None:
    names = placeholders(text)
    if text.count("{{") != len(PLACEHOLDER.findall(text)):
        raise refused(subcode, "Variables are malformed", "Write a variable as {{1}} or {{name}}.")
    if parameter_format == "NAMED":
        if not all(_NAMED.fullmatch(name) for name in names):
            raise refused(subcode, "Variable names are not valid", "Use lowercase letters and underscores.")
    elif list(names) != [str(n + 1) for n in range(len(names))]:
        raise refused(subcode, "Variables are not in sequence", "Number variables from {{1}} without gaps.")
    if len(_examples(part, parameter_format)) != len(names):
        raise _missing_field(text_of(part, "type").upper(), "example")


def _examples(part: Json, parameter_format: str) -> list[object]:
    kind = text_of(part, "type").lower()
    listed = _example(part).get(f"{kind}_text_named_params" if parameter_format == "NAMED" else f"{kind}_text")
    if not isinstance(listed, list):
        return []
    # Positional body examples are two-dimensional: one inner list per example message.
    if kind == "body" and parameter_format != "NAMED":
        return listed[0] if listed and isinstance(listed[0], list) else []
    return listed


def _example(part: Json) -> Json:
    example = part.get("example")
    return example if isinstance(example, dict) else {}


def _missing_field(kind: str, field: str) -> GraphError:
    title = 'Message template "components" param is missing expected field(s)'
    return refused(2388043, title, f"component of type {kind} is missing expected field(s) ({field})")


_CHECKS: dict[str, Callable[[Json, str, str], None]] = {
    "HEADER": _check_header,
    "BODY": _check_body,
    "FOOTER": _check_footer,
    "BUTTONS": _check_buttons,
}
