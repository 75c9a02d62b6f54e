"""Checks a template message against its reviewed template before anything is queued, and renders a preview of it.

The limits are those of the provider that reviews (`whatsapp_rules`); every violation is listed. Pointers are relative
to the message's content.
"""

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from urllib.parse import quote

from messaging.domain.content.links import MAX_LINK
from messaging.domain.content.media import filename_violations, media_violations
from messaging.domain.content.parameters import (
    ButtonValue,
    HeaderDocument,
    HeaderImage,
    HeaderText,
    HeaderValue,
    HeaderVideo,
    QuickReplyButton,
    TemplateParameters,
    UrlButton,
    Value,
)
from messaging.domain.shared.errors import Violation
from messaging.domain.shared.text import (
    control_character,
    is_blank,
    is_clean,
    is_plain,
    step,
    too_long,
    utf16_units,
    value_empty,
)
from messaging.domain.templates.placeholders import Pattern, fill, filled_units, read
from messaging.domain.templates.template import (
    Button,
    ButtonKind,
    Header,
    HeaderFormat,
    Template,
    TemplateCategory,
    TemplateStatus,
)
from messaging.domain.templates.whatsapp_rules import (
    AUTHENTICATION_BODY,
    GAP,
    LEFT_AS_IS,
    MAX_BODY,
    MAX_CODE,
    MAX_HEADER,
    MAX_PAYLOAD,
)

# The number of surplus values that are listed; a mistaken client may send thousands.
_MOST_SURPLUS = 20
_CODE = "1"
# For a misspelt template name: the largest difference in length, the longest name compared, and the most names
# compared.
_NEAR, _LONGEST_NAME, _MOST_COMPARED = 2, 100, 50
_BREAK = re.compile("[\n\r\t\u2028\u2029]")

_NOT_SENDABLE: dict[TemplateStatus, str] = {
    TemplateStatus.PENDING: "It is still in review. Send it once it is approved (usually within 24 hours).",
    TemplateStatus.REJECTED: "The provider rejected it; its rejected_reason says why. Mend it and submit it again.",
    TemplateStatus.PAUSED: "The provider paused it for low quality. Wait until it is approved again, or use another.",
    TemplateStatus.DISABLED: "The provider disabled it for good. Create a new template.",
    TemplateStatus.ARCHIVED: "It is archived at the provider. Unarchive it there, or use another.",
    TemplateStatus.DELETED: "It was deleted at the provider. Create it anew, or use another.",
    TemplateStatus.OTHER: "Its status at the provider is not one that may be sent. Look it up at the provider.",
}
_MEDIA_HEADERS: dict[HeaderFormat, type[HeaderValue]] = {
    HeaderFormat.IMAGE: HeaderImage,
    HeaderFormat.VIDEO: HeaderVideo,
    HeaderFormat.DOCUMENT: HeaderDocument,
}


def find_template(templates: Mapping[tuple[str, str], Template], name: str, language: str) -> Template | Violation:
    """`templates` are one account's, by (name, language). The provider wants exactly the approved language."""
    template = templates.get((name, language))
    if template is not None:
        return template
    languages = sorted(template.language for template in templates.values() if template.name == name)
    if not languages:
        near = _nearest(name, templates)
        advice = f"Did you mean {near}?" if near else "GET /v1/templates lists them."
        detail = f"The sender's provider account has no template of this name. {advice}"
        return Violation(pointer="/name", code="template_unknown", detail=detail)
    detail = f"The template is not available in this language, only in: {', '.join(languages)}."
    return Violation(pointer="/language", code="template_language_unavailable", detail=detail)


def _nearest(name: str, templates: Mapping[tuple[str, str], Template]) -> str | None:
    """The name that was probably meant. Few names are compared, because a batch may ask a thousand times."""
    alike = {known for known, _ in templates if known[:1] == name[:1] and abs(len(known) - len(name)) <= _NEAR}
    close = (
        get_close_matches(name, sorted(alike)[:_MOST_COMPARED], n=1, cutoff=0.8) if len(name) <= _LONGEST_NAME else []
    )
    return close[0] if close else None


def send_violations(template: Template, parameters: TemplateParameters) -> tuple[Violation, ...]:
    """Everything that would make the provider refuse this send; empty when it may go."""
    return (
        *status_violations(template),
        *_variable_violations(template, parameters.variables),
        *_header_violations(template.components.header, parameters.header),
        *_button_violations(template, parameters),
    )


def preview(template: Template, parameters: TemplateParameters) -> str:
    """The body as the recipient will read it."""
    return fill(_body(template), parameters.variables)


def filled_buttons(template: Template, parameters: TemplateParameters) -> tuple[ButtonValue, ...]:
    """The values of all buttons, by index: an authentication template's code goes into its button by itself."""
    values = {value.index: value for value in parameters.buttons}
    code = parameters.variables.get(_CODE)
    if template.category is TemplateCategory.AUTHENTICATION and isinstance(code, str):
        for index, button in enumerate(template.components.buttons):
            if _takes_suffix(button):
                values.setdefault(index, UrlButton(index=index, text=code))
    return tuple(values[index] for index in sorted(values))


def _body(template: Template) -> Pattern:
    body = template.components.body
    return read(AUTHENTICATION_BODY if template.category is TemplateCategory.AUTHENTICATION and not body else body)


def status_violations(template: Template) -> list[Violation]:
    """The reasons why no message may be sent with the template; none if it may be sent."""
    found = []
    if template.status is not TemplateStatus.APPROVED:
        detail = _NOT_SENDABLE[template.status]
        found.append(Violation(pointer="/name", code="template_not_sendable", detail=detail))
    if template.changed_at is not None:
        detail = "The provider says that its content was changed; it is being read anew. Try again in some seconds."
        found.append(Violation(pointer="/name", code="template_changed", detail=detail))
    if parts := _unsupported_parts(template):
        detail = f"It has parts that cannot be sent yet: {', '.join(parts)}. Use a template without them."
        found.append(Violation(pointer="/name", code="template_unsupported", detail=detail))
    return found


def _unsupported_parts(template: Template) -> Sequence[str]:
    header, buttons = template.components.header, template.components.buttons
    if not template.unsupported and not buttons and header is None:
        return ()
    known = list(template.unsupported)
    if header is not None and header.format is HeaderFormat.LOCATION:
        known.append("location header")
    if any(button.kind is ButtonKind.COPY_CODE for button in buttons):
        known.append("coupon code button")
    if not template.unsupported and any(button.kind is ButtonKind.OTHER for button in buttons):
        known.append("button of a kind not known here")
    return known


# --- variables ------------------------------------------------------------------------------------------------------


def _variable_violations(template: Template, variables: Mapping[str, Value]) -> list[Violation]:
    body = _body(template)
    longest = MAX_CODE if template.category is TemplateCategory.AUTHENTICATION else MAX_BODY
    found: list[Violation] = []
    for name in body.names:
        value = variables.get(name)
        if value is None:
            detail = f"The template's body needs a value for {{{{{name}}}}}. Add it to variables."
            found.append(Violation(pointer=f"/variables{step(name)}", code="variable_missing", detail=detail))
        elif not isinstance(value, str):
            detail = "A template that a provider reviews takes texts only. Send the value as a text, in quotes."
            found.append(Violation(pointer=f"/variables{step(name)}", code="variable_type", detail=detail))
        elif not _is_plain(value, limit=longest):
            found += _parameter_violations(f"/variables{step(name)}", value, limit=longest)
    if len(variables) > len(body.names) or not variables.keys() <= set(body.names):
        found += _surplus(body, variables)
    if (units := filled_units(body, variables)) > MAX_BODY:
        detail = (
            f"The filled body would have {units} characters (UTF-16 units), {MAX_BODY} are allowed. Shorten values."
        )
        found.append(Violation(pointer="/variables", code="template_text_too_long", detail=detail))
    return found


def _surplus(body: Pattern, variables: Mapping[str, Value]) -> list[Violation]:
    surplus = [name for name in variables if name not in body.names]
    expected = ", ".join(body.names) or "none at all"
    if len(surplus) > _MOST_SURPLUS:
        detail = f"{len(surplus)} variables are not in the template's body, which has: {expected}. Remove them."
        return [Violation(pointer="/variables", code="variable_unexpected", detail=detail)]
    detail = f"The template's body has no such variable, but: {expected}. Remove it, or correct its name."
    return [Violation(pointer=f"/variables{step(name)}", code="variable_unexpected", detail=detail) for name in surplus]


def _is_plain(value: str, *, limit: int) -> bool:
    """A fast check for values that break no rule."""
    return is_plain(value) and len(value) <= limit and GAP not in value


def _parameter_violations(pointer: str, value: str, *, limit: int) -> list[Violation]:
    """The rules for every text that goes into a template, wherever it goes."""
    if _is_plain(value, limit=limit):
        return []
    if is_blank(value):
        return [value_empty(pointer, "A template's parameter must not be empty. Send a visible text.")]
    found = []
    if _BREAK.search(value) or GAP in value:
        detail = (
            "A parameter must not hold a line break, a tab or more than 4 spaces in a row; the provider refuses it. "
            "Replace them by single spaces; line breaks belong into the template's own text."
        )
        found.append(Violation(pointer=pointer, code="parameter_whitespace", detail=detail))
    if not is_clean(value):
        found.append(control_character(pointer))
    if (units := utf16_units(value)) > limit:
        found.append(too_long(pointer, units=units, limit=limit))
    return found


# --- header ---------------------------------------------------------------------------------------------------------


def _header_violations(header: Header | None, value: HeaderValue | None) -> list[Violation]:
    names = read(header.text or "").names if header is not None and header.format is HeaderFormat.TEXT else ()
    if header is None or (header.format not in _MEDIA_HEADERS and not names):
        if value is None:
            return []
        detail = "The template's header has nothing to fill. Leave header out."
        return [Violation(pointer="/header", code="header_unexpected", detail=detail)]
    if value is None:
        detail = f"The template has a header of type {header.format} that needs a value. Add header."
        return [Violation(pointer="/header", code="header_missing", detail=detail)]
    if not isinstance(value, _MEDIA_HEADERS.get(header.format, HeaderText)):
        detail = f"The template's header is of type {header.format}. Send a header of that type."
        return [Violation(pointer="/header", code="header_mismatch", detail=detail)]
    if isinstance(value, HeaderText):
        return _header_text_violations(read(header.text or ""), value)
    found = media_violations("/header", value, https_only=True)
    if isinstance(value, HeaderDocument):
        found += filename_violations("/header/filename", value.filename)
    return found


def _header_text_violations(pattern: Pattern, value: HeaderText) -> list[Violation]:
    pointer = "/header/text"
    found = _parameter_violations(pointer, value.text, limit=MAX_HEADER)
    units = filled_units(pattern, dict.fromkeys(pattern.names, value.text))
    if units > MAX_HEADER:
        detail = f"The filled header would have {units} characters (UTF-16 units), {MAX_HEADER} are allowed."
        found.append(Violation(pointer=pointer, code="template_text_too_long", detail=detail))
    return found


# --- buttons --------------------------------------------------------------------------------------------------------


def _button_violations(template: Template, parameters: TemplateParameters) -> list[Violation]:
    buttons, values = template.components.buttons, parameters.buttons
    if not buttons and not values:
        return []
    if len(values) > len(buttons) and len(values) > _MOST_SURPLUS:
        detail = f"The template has {len(buttons)} buttons, but {len(values)} values are given. Remove the surplus."
        return [Violation(pointer="/buttons", code="button_unexpected", detail=detail)]
    found: list[Violation] = []
    seen: set[int] = set()
    for position, value in enumerate(values):
        pointer = f"/buttons/{position}"
        if value.index in seen:
            detail = f"Button {value.index} is given twice. Keep one of the two."
            found.append(Violation(pointer=pointer, code="button_duplicate", detail=detail))
        elif not 0 <= value.index < len(buttons):
            found.append(_unexpected_button(pointer, f"The template's buttons are numbered 0 to {len(buttons) - 1}."))
        else:
            found += _button_value_violations(pointer, template, buttons[value.index], value, parameters)
        seen.add(value.index)
    return found + _missing_buttons(buttons, filled_buttons(template, parameters))


def _missing_buttons(buttons: Sequence[Button], values: Sequence[ButtonValue]) -> list[Violation]:
    given = {value.index for value in values}
    return [
        Violation(
            pointer="/buttons",
            code="button_missing",
            detail=f"The URL of button {index} ends in a variable. Add {{type: url, index: {index}, text: …}}.",
        )
        for index, button in enumerate(buttons)
        if _takes_suffix(button) and index not in given
    ]


def _button_value_violations(
    pointer: str, template: Template, button: Button, value: ButtonValue, parameters: TemplateParameters
) -> list[Violation]:
    if button.kind is ButtonKind.QUICK_REPLY:
        if not isinstance(value, QuickReplyButton):
            return [_button_mismatch(pointer, "quick_reply")]
        return _parameter_violations(f"{pointer}/payload", value.payload, limit=MAX_PAYLOAD)
    if not _takes_suffix(button):
        return [_unexpected_button(pointer, f"This {button.kind} button takes no value.")]
    if not isinstance(value, UrlButton):
        return [_button_mismatch(pointer, "url")]
    if template.category is TemplateCategory.AUTHENTICATION:
        return _code_violations(pointer, value, parameters.variables.get(_CODE))
    return _suffix_violations(f"{pointer}/text", read(button.url or ""), value.text)


def _code_violations(pointer: str, value: UrlButton, code: Value | None) -> list[Violation]:
    if value.text == code:
        return []
    detail = "The button must carry the same code as the body. Leave it out: it is filled in by itself."
    return [Violation(pointer=f"{pointer}/text", code="button_mismatch", detail=detail)]


def _suffix_violations(pointer: str, url: Pattern, suffix: str) -> list[Violation]:
    found = _parameter_violations(pointer, suffix, limit=MAX_LINK)
    if found:
        return found
    # The suffix is sent percent-encoded; escapes that are there already stay as they are.
    if (units := url.units + len(quote(suffix, safe=LEFT_AS_IS))) > MAX_LINK:
        detail = f"The filled URL would have {units} characters, {MAX_LINK} are allowed. Shorten the suffix."
        return [Violation(pointer=pointer, code="template_text_too_long", detail=detail)]
    return []


def _takes_suffix(button: Button) -> bool:
    if button.kind is ButtonKind.OTP:
        return True
    return button.kind is ButtonKind.URL and bool(read(button.url or "").names)


def _button_mismatch(pointer: str, expected: str) -> Violation:
    detail = f"This button takes a value of type {expected}. Change type, or index."
    return Violation(pointer=pointer, code="button_mismatch", detail=detail)


def _unexpected_button(pointer: str, why: str) -> Violation:
    return Violation(pointer=pointer, code="button_unexpected", detail=f"{why} Remove this value, or correct index.")
