"""Meta's rules for WhatsApp templates: the limits of a send, and the check of a new template before it is reviewed.

A send that breaks one is refused with code 132000, 132001, 132005, 132012 or 132018; `validation` checks it. Pointers
of the check are relative to the body of the creation request, whose `components` are those of the template.
"""

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Mapping

from messaging.domain.content.links import MAX_LINK, link_problem
from messaging.domain.shared.errors import Violation
from messaging.domain.shared.text import is_blank, step, text_violations
from messaging.domain.templates.placeholders import Pattern, read
from messaging.domain.templates.template import (
    Button,
    ButtonKind,
    Components,
    Header,
    HeaderFormat,
    ParameterFormat,
    TemplateCategory,
)

# Of a filled template, in UTF-16 units.
MAX_BODY = 1024
MAX_HEADER = 60
MAX_PAYLOAD = 128
MAX_CODE = 15
# Meta writes the body of authentication templates itself and does not always list its text.
AUTHENTICATION_BODY = "*{{1}}* is your verification code."
# One space more than Meta accepts in a row.
GAP = "     "
# Characters that RFC 3986 allows in a path or query, without the colon, which Meta wants encoded as well.
LEFT_AS_IS = "/?#[]@!$&'()*+,;=%~-._"

MAX_FOOTER = 60
MAX_BUTTONS = 10
MAX_LABEL = 25
_MAX_PHONE = 20
_AT_MOST = {
    ButtonKind.QUICK_REPLY: 10,
    ButtonKind.URL: 2,
    ButtonKind.PHONE_NUMBER: 1,
    ButtonKind.COPY_CODE: 1,
    ButtonKind.OTP: 1,
    ButtonKind.OTHER: 0,
}
_NAME = re.compile(r"[a-z0-9_]{1,512}")
_PLACEHOLDER_NAME = re.compile(r"[a-z_]+")
# Scheme and authority are complete: whatever follows is path, query or fragment.
_HOST_ENDS = re.compile(r"^[a-z]+://[^/?#]+[/?#]", re.IGNORECASE)
_PHONE = re.compile(r"\+?[0-9]{5,19}")
_COUPON = re.compile(rf"[A-Za-z0-9]{{1,{MAX_CODE}}}")
# The provider's codes. A code it adds later must be added here before templates in it can be created (not: sent).
_CODES = """
    af sq ar ar_EG ar_AE ar_LB ar_MA ar_QA az be_BY bn bn_IN bg ca zh_CN zh_HK zh_TW hr cs da prs_AF nl nl_BE en en_GB
    en_US en_AE en_AU en_CA en_GH en_IE en_IN en_JM en_MY en_NZ en_QA en_SG en_UG en_ZA et fil fi fr fr_BE fr_CA fr_CH
    fr_CI fr_MA ka de de_AT de_CH el gu ha he hi hu id ga it ja kn kk rw_RW ko ky_KG lo lv lt mk ms ml mr nb ps_AF fa
    pl pt_BR pt_PT pa ro ru sr si_LK sk sl es es_AR es_CL es_CO es_CR es_DO es_EC es_HN es_MX es_PA es_PE es_ES es_UY
    sw sv ta te th tr uk ur uz vi zu
"""
LANGUAGES = frozenset(_CODES.split())


def creation_violations(
    name: str,
    language: str,
    category: TemplateCategory,
    components: Components,
    parameter_format: ParameterFormat,
) -> tuple[Violation, ...]:
    """Everything for which the provider would refuse the template at once; the review itself decides about the rest."""
    found: list[Violation] = []
    if not _NAME.fullmatch(name):
        detail = "A template's name has 1 to 512 lower-case letters, digits and underscores. Rename it."
        found.append(Violation(pointer="/name", code="template_name_invalid", detail=detail))
    if language not in LANGUAGES:
        detail = "Not a language code the provider knows. Use one like en, en_US, pt_BR or zh_CN."
        found.append(Violation(pointer="/language", code="language_unknown", detail=detail))
    if category is TemplateCategory.AUTHENTICATION:
        return (*found, *_authentication_violations(components))
    return (
        *found,
        *_body_violations(components, parameter_format),
        *_header_violations(components.header, parameter_format),
        *_footer_violations(components.footer),
        *_button_violations(components.buttons),
    )


# --- authentication: the provider writes the texts ------------------------------------------------------------------


def _authentication_violations(components: Components) -> list[Violation]:
    rules = (
        ("/components/body", bool(components.body), "The provider writes the body. Send an empty body."),
        ("/components/header", components.header is not None, "There is no header. Leave it out."),
        ("/components/footer", components.footer is not None, "The provider writes the footer. Leave it out."),
        ("/components/examples", bool(components.examples), "There is nothing to give an example of. Leave it out."),
        (
            "/components/buttons",
            [button.kind for button in components.buttons] != [ButtonKind.OTP],
            "There is exactly one button, of kind otp.",
        ),
    )
    return [
        Violation(pointer=pointer, code="authentication_layout", detail=f"In authentication templates: {detail}")
        for pointer, broken, detail in rules
        if broken
    ]


# --- body, header, footer -------------------------------------------------------------------------------------------


def _body_violations(components: Components, parameter_format: ParameterFormat) -> list[Violation]:
    pointer = "/components/body"
    found = text_violations(pointer, components.body, limit=MAX_BODY)
    if found:
        return found
    pattern = read(components.body)
    problems = [*_placeholder_problems(pattern, parameter_format), *_position_problems(pattern)]
    return [
        *(Violation(pointer=pointer, code="placeholder_invalid", detail=problem) for problem in problems),
        *_example_violations(pattern.names, components.examples),
    ]


def _placeholder_problems(pattern: Pattern, parameter_format: ParameterFormat) -> Iterable[str]:
    if not pattern.well_formed:
        yield "Braces are left over. Write a placeholder as {{1}} or {{first_name}}, and no other double braces."
    names = pattern.names
    if parameter_format is ParameterFormat.POSITIONAL:
        if set(names) != {str(number) for number in range(1, len(names) + 1)}:
            yield "Positional placeholders are {{1}}, {{2}}, … without gaps. Renumber them, or use format named."
        return
    if not all(_PLACEHOLDER_NAME.fullmatch(name) for name in names):
        yield "Named placeholders have lower-case letters and underscores only. Rename them."
    if len(names) != len(pattern.blanks):
        yield "A named placeholder may stand in the text once only. Give the others names of their own."


def _position_problems(pattern: Pattern) -> Iterable[str]:
    if not pattern.blanks:
        return
    if is_blank(pattern.texts[0]) or is_blank(pattern.texts[-1]):
        yield "A placeholder must not begin or end the body. Write some text around it."
    if any(is_blank(text) for text in pattern.texts[1:-1]):
        yield "Two placeholders must not touch. Write some text between them."
    # The provider's ratio is not published; fewer words than placeholders is refused in any case.
    if len("".join(pattern.texts).split()) < len(pattern.blanks):
        yield "There are too many placeholders for so short a text. Write more text, or use fewer."


def _example_violations(names: tuple[str, ...], examples: Mapping[str, str]) -> list[Violation]:
    missing = [
        Violation(
            pointer=f"/components/examples{step(name)}",
            code="example_missing",
            detail=f"Reviewers need a sample value for {{{{{name}}}}}. Add it to examples.",
        )
        for name in names
        if is_blank(examples.get(name, ""))
    ]
    if examples.keys() <= set(names):
        return missing
    detail = "There are examples for placeholders that the body does not have. Remove them, or correct their names."
    return [*missing, Violation(pointer="/components/examples", code="example_unexpected", detail=detail)]


def _header_violations(header: Header | None, parameter_format: ParameterFormat) -> list[Violation]:
    if header is None:
        return []
    pointer = "/components/header"
    if header.format is HeaderFormat.TEXT:
        return _header_text_violations(f"{pointer}/text", header, parameter_format)
    if header.text is not None:
        detail = f"A header of format {header.format} has no text. Leave text out, or use format text."
        return [Violation(pointer=f"{pointer}/text", code="header_invalid", detail=detail)]
    if header.format is not HeaderFormat.LOCATION and is_blank(header.example or ""):
        detail = "Reviewers need a sample file. Set example to the handle of an uploaded one."
        return [Violation(pointer=f"{pointer}/example", code="example_missing", detail=detail)]
    return []


def _header_text_violations(pointer: str, header: Header, parameter_format: ParameterFormat) -> list[Violation]:
    text = header.text or ""
    found = text_violations(pointer, text, limit=MAX_HEADER)
    if found:
        return found
    pattern = read(text)
    problems = list(_placeholder_problems(pattern, parameter_format))
    if len(pattern.blanks) > 1:
        problems.append("A header has at most one placeholder. Remove the others.")
    if "\n" in text:
        problems.append("A header is one line. Remove the line breaks.")
    found = [Violation(pointer=pointer, code="header_invalid", detail=problem) for problem in problems]
    if pattern.blanks and is_blank(header.example or ""):
        detail = "Reviewers need a sample value for the header's placeholder. Add example."
        found.append(Violation(pointer="/components/header/example", code="example_missing", detail=detail))
    return found


def _footer_violations(footer: str | None) -> list[Violation]:
    if footer is None:
        return []
    pointer = "/components/footer"
    found = text_violations(pointer, footer, limit=MAX_FOOTER)
    if not found and (read(footer).blanks or not read(footer).well_formed):
        detail = "A footer has no placeholders. Write them into the body."
        found.append(Violation(pointer=pointer, code="placeholder_invalid", detail=detail))
    return found


# --- buttons --------------------------------------------------------------------------------------------------------


def _button_violations(buttons: tuple[Button, ...]) -> list[Violation]:
    if len(buttons) > MAX_BUTTONS:
        detail = f"A template has at most {MAX_BUTTONS} buttons. Remove some."
        return [Violation(pointer="/components/buttons", code="button_limit", detail=detail)]
    found = []
    for kind, count in Counter(button.kind for button in buttons).items():
        if count > _AT_MOST[kind]:
            detail = f"At most {_AT_MOST[kind]} buttons of kind {kind} are possible here. Remove some."
            found.append(Violation(pointer="/components/buttons", code="button_limit", detail=detail))
    replies = [button.kind is ButtonKind.QUICK_REPLY for button in buttons]
    if sum(one != other for one, other in itertools.pairwise(replies)) > 1:
        detail = "Quick replies must stand together, before or after all other buttons. Reorder them."
        found.append(Violation(pointer="/components/buttons", code="button_limit", detail=detail))
    for index, button in enumerate(buttons):
        found += _one_button(f"/components/buttons/{index}", button)
    return found


def _one_button(pointer: str, button: Button) -> list[Violation]:
    match button.kind:
        case ButtonKind.OTP:
            detail = "A button of kind otp belongs into authentication templates only. Remove it."
            return [Violation(pointer=f"{pointer}/kind", code="button_invalid", detail=detail)]
        case ButtonKind.COPY_CODE:
            if _COUPON.fullmatch(button.example or ""):
                return []
            detail = f"A coupon button needs an example code of at most {MAX_CODE} letters and digits."
            return [Violation(pointer=f"{pointer}/example", code="button_invalid", detail=detail)]
        case ButtonKind.URL:
            return [*_label_violations(pointer, button), *_url_violations(pointer, button)]
        case ButtonKind.PHONE_NUMBER:
            return [*_label_violations(pointer, button), *_phone_violations(pointer, button)]
        case ButtonKind.QUICK_REPLY:
            return _label_violations(pointer, button)
        case ButtonKind.OTHER:
            return []


def _label_violations(pointer: str, button: Button) -> list[Violation]:
    found = text_violations(f"{pointer}/text", button.text, limit=MAX_LABEL)
    if not found and ("{{" in button.text or "\n" in button.text):
        detail = "A button's label is one line without placeholders."
        found.append(Violation(pointer=f"{pointer}/text", code="button_invalid", detail=detail))
    return found


def _phone_violations(pointer: str, button: Button) -> list[Violation]:
    if len(button.phone_number or "") <= _MAX_PHONE and _PHONE.fullmatch(button.phone_number or ""):
        return []
    detail = "A phone button needs phone_number: '+', country code and number, at most 20 characters."
    return [Violation(pointer=f"{pointer}/phone_number", code="button_invalid", detail=detail)]


def _url_violations(pointer: str, button: Button) -> list[Violation]:
    url = button.url or ""
    pattern = read(url) if len(url) <= MAX_LINK else None
    if pattern is None:
        detail = f"A URL button needs url: http(s)://…, at most {MAX_LINK} characters."
        return [Violation(pointer=f"{pointer}/url", code="button_invalid", detail=detail)]
    if (problem := link_problem(pattern.texts[0], https_only=False)) is not None:
        return [Violation(pointer=f"{pointer}/url", code="button_invalid", detail=problem)]
    if not pattern.well_formed or len(pattern.blanks) > 1 or (pattern.blanks and pattern.texts[-1]):
        detail = "A URL has at most one placeholder, and it is the URL's end: https://example.com/orders/{{1}}."
        return [Violation(pointer=f"{pointer}/url", code="placeholder_invalid", detail=detail)]
    if pattern.blanks and not _HOST_ENDS.search(pattern.texts[0]):
        detail = "The placeholder would change the URL's host. Put a slash before it: https://example.com/{{1}}."
        return [Violation(pointer=f"{pointer}/url", code="placeholder_invalid", detail=detail)]
    if pattern.blanks:
        return _url_example_violations(pointer, button.example or "")
    return []


def _url_example_violations(pointer: str, example: str) -> list[Violation]:
    if is_blank(example):
        detail = "Reviewers need a sample of the URL's variable part. Add example."
        return [Violation(pointer=f"{pointer}/example", code="example_missing", detail=detail)]
    is_whole = example.startswith(("http://", "https://"))
    if is_whole and (problem := link_problem(example, https_only=False)) is not None:
        return [Violation(pointer=f"{pointer}/example", code="button_invalid", detail=problem)]
    return []
