"""Reads a template's source tag by tag: which variables it names, and everything in it that the language does not have.

The language is a small part of Jinja's: `{{ value }}` with filters, `{% if %}`, `{% for %}` and `{# notes #}`. There is
no arithmetic, no call, no assignment, no include and no macro. Each tag is read by itself, so that all faults of a text
are told at once, where the engine stops at the first.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct, field

from messaging.domain.templates.own import engine

MOST_TAGS: Final = 2_000
MOST_TOKENS: Final = 80
# Problems of one text that are listed; reading ends there.
MOST_PROBLEMS: Final = 20
DEEPEST: Final = 8

_KEYWORDS: Final = frozenset({"and", "or", "not", "in", "is", "if", "else", "true", "false", "none"})
RESERVED: Final = _KEYWORDS | {"loop", "self", "super", "caller", "True", "False", "None"}
_LOOP_FIELDS: Final = frozenset({"first", "index", "index0", "last", "length", "revindex"})
_TAG: Final = re.compile(r"\{[{%#]")
_STRING: Final = r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\""
_TOKEN: Final = re.compile(
    rf"\s*(?:(?P<name>[^\W\d]\w*)|(?P<number>\d+(?:\.\d+)?)|(?P<string>{_STRING})|(?P<sign>==|!=|<=|>=|[<>.|(),=])"
    r"|(?P<other>\S))",
    re.DOTALL,
)
# The end of a tag, outside of the texts in it.
_ENDS: Final = {
    "{{": re.compile(rf"(?:{_STRING}|[^'\"])*?(?P<end>-?}}}})", re.DOTALL),
    "{%": re.compile(rf"(?:{_STRING}|[^'\"])*?(?P<end>-?%}})", re.DOTALL),
}
_BRACE: Final = "The tag is not closed before this brace. Write }} or %} before it."
_SIGN: Final = (
    "A tag has no {}: there is no arithmetic, no list and no range. Compute values before you send them, and write "
    "texts in quotes."
)
_STATEMENTS: Final = "if, elif, else, endif, for and endfor"


class Problem(Struct, frozen=True):
    """Something in a source that has to be mended; line and column count from 1, in characters."""

    line: int
    column: int
    detail: str


class Used(Struct, frozen=True):
    """A variable or a field that a source names, and where it does so first."""

    name: str
    line: int
    column: int


class Reading(Struct):
    """What was found in a source: variables that the message gives, fields of list items, and problems in order."""

    variables: dict[str, Used] = field(default_factory=dict)
    fields: dict[str, Used] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


class _Token(Struct, frozen=True):
    kind: str
    text: str
    at: int


class _Block(Struct, frozen=True):
    """An open `if` or `for`; a `for` names its item."""

    statement: str
    item: str | None
    at: int
    seen_else: bool = False


def read(source: str) -> Reading:
    """Everything that can be said about a source without values."""
    return _Reader(source).read()


class _Reader:
    def __init__(self, source: str) -> None:
        self._source = source
        self._found = Reading()
        self._open: list[_Block] = []

    def read(self) -> Reading:
        position, tags = 0, 0
        while (opened := _TAG.search(self._source, position)) is not None:
            tags += 1
            if len(self._found.problems) >= MOST_PROBLEMS or len(self._open) > DEEPEST:
                return self._found
            if tags > MOST_TAGS:
                self._tell(opened.start(), f"A text has at most {MOST_TAGS} tags. Divide it, or use fewer.")
                return self._found
            position = self._tag(opened[0], opened.start())
        for block in self._open:
            self._tell(
                block.at, f"This {block.statement} is never closed. Write {{% end{block.statement} %}} after it."
            )
        if not self._found.problems and (fault := engine.read_fault(self._source)) is not None:
            self._tell(fault.at or 0, f"The template cannot be read here: {fault.detail}.")
        return self._found

    def _tag(self, opening: str, start: int) -> int:
        """Read the tag at `start`; returns where the text goes on."""
        if opening == "{#":
            end = self._source.find("#}", start)
            if end < 0:
                self._tell(start, "This note is never closed. Write #} after it.")
            return self._give_up() if end < 0 else end + 2
        ended = _ENDS[opening].match(self._source, start + 2)
        if ended is None:
            closing = "}}" if opening == "{{" else "%}"
            self._tell(start, f"This {opening} is never closed. Write {closing} after it.")
            return self._give_up()
        inner = start + 2 + (self._source[start + 2] in "-+")
        tokens = self._tokens(inner, ended.start("end"))
        if tokens is not None and opening == "{{":
            self._expression(tokens, start, "{{ ", " }}")
        elif tokens is not None:
            self._statement(tokens, start)
        return ended.end()

    def _give_up(self) -> int:
        """What follows a tag without an end cannot be told apart; returns the end of the source."""
        self._open.clear()
        return len(self._source)

    def _tokens(self, start: int, end: int) -> list[_Token] | None:
        """The tokens of a tag; None if it holds something that no tag may hold."""
        found: list[_Token] = []
        while (match := _TOKEN.match(self._source, start, end)) is not None:
            kind = match.lastgroup or ""
            token = _Token(kind, match[kind], match.start(kind))
            if kind == "other":
                self._tell(token.at, _BRACE if token.text in "{}" else _SIGN.format(token.text))
                return None
            found.append(token)
            start = match.end()
        if len(found) > MOST_TOKENS:
            self._tell(found[0].at, f"A tag has at most {MOST_TOKENS} words and signs. Divide it.")
            return None
        return found

    # --- statements -------------------------------------------------------------------------------------------------

    def _statement(self, tokens: Sequence[_Token], start: int) -> None:
        word = tokens[0].text if tokens else ""
        rest = tokens[1:]
        match word:
            case "if":
                self._expression(rest, start, "{% if ", " %}{% endif %}")
                self._begin(_Block("if", None, start))
            case "elif" | "else":
                self._otherwise(word, rest, start)
            case "for":
                self._for(rest, start)
            case "endif" | "endfor":
                self._end(word.removeprefix("end"), rest, start)
            case _:
                self._tell(start, f"There is no statement {word!r}. The statements are {_STATEMENTS}.")

    def _otherwise(self, word: str, rest: Sequence[_Token], start: int) -> None:
        block = self._open[-1] if self._open else None
        if block is None or block.seen_else or (word == "elif" and block.statement == "for"):
            self._tell(start, f"This {word} belongs to no open if. Put it between if and endif, else as the last.")
        elif word == "else":
            self._nothing(word, rest)
            self._open[-1] = _Block(block.statement, block.item, block.at, seen_else=True)
        if word == "elif":
            self._expression(rest, start, "{% if ", " %}{% endif %}")

    def _for(self, rest: Sequence[_Token], start: int) -> None:
        item = None
        if len(rest) < 3 or rest[0].kind != "name" or rest[0].text in RESERVED or rest[1].text != "in":
            self._tell(start, "A loop is written {% for item in items %}: one name, and one list.")
        elif any(token.text in ("if", "recursive") for token in rest):
            self._tell(start, "A loop has no condition of its own. Put {% if … %} and {% endif %} inside it.")
        else:
            item = rest[0].text
            self._expression(rest[2:], start, "{{ ", " }}")
        self._begin(_Block("for", item, start))

    def _begin(self, block: _Block) -> None:
        self._open.append(block)
        if len(self._open) == DEEPEST + 1:
            self._tell(block.at, f"At most {DEEPEST} blocks may stand in each other. Take some apart.")

    def _end(self, statement: str, rest: Sequence[_Token], start: int) -> None:
        self._nothing(f"end{statement}", rest)
        if self._open and self._open[-1].statement == statement:
            self._open.pop()
        elif any(block.statement == statement for block in self._open):
            inner = self._open[-1].statement
            self._tell(start, f"A {inner} inside is still open. Write {{% end{inner} %}} before this.")
            while self._open.pop().statement != statement:
                pass
        else:
            self._tell(start, f"There is no open {statement} that this could close. Remove it.")

    def _nothing(self, word: str, rest: Sequence[_Token]) -> None:
        if rest:
            self._tell(rest[0].at, f"Nothing follows {word}. Remove what does.")

    # --- expressions ------------------------------------------------------------------------------------------------

    def _expression(self, tokens: Sequence[_Token], start: int, before: str, after: str) -> None:
        """Check an expression's words, note its variables, and have the engine read it alone."""
        if not tokens:
            self._tell(start, "This tag is empty. Write the name of a variable into it.")
            return
        problems = len(self._found.problems)
        for index, token in enumerate(tokens):
            previous = tokens[index - 1].text if index else ""
            follows = tokens[index + 1].text if index + 1 < len(tokens) else ""
            self._token(token, previous, tokens[index - 2].text if index > 1 else "", follows)
        if len(self._found.problems) > problems:
            return
        first, last = tokens[0].at, tokens[-1].at + len(tokens[-1].text)
        fault = engine.read_fault(before + self._source[first:last] + after)
        if fault is not None:
            at = min(max((fault.at or 0) - len(before) + first, first), last - 1)
            self._tell(at, f"This cannot be read: {fault.detail}. Write it like {{{{ name|upper }}}} or a == b.")

    def _token(self, token: _Token, previous: str, earlier: str, follows: str) -> None:
        if token.kind != "name":
            if token.text == "(" and previous not in ("", "(", "and", "or", "not", "in") and earlier not in ("|", "is"):
                # Brackets after anything else would call it.
                self._tell(token.at, "Nothing can be called. Remove the brackets, or use a filter: {{ value|upper }}.")
            return
        if previous == "|":
            self._known(token, engine.FILTERS, "filter")
        elif previous == "is" or (previous == "not" and earlier == "is"):
            if token.text != "not":
                self._known(token, engine.TESTS, "test")
        elif previous == ".":
            self._field(token, earlier)
        elif follows != "=":
            self._variable(token)

    def _known(self, token: _Token, names: frozenset[str], what: str) -> None:
        if token.text not in names:
            self._tell(token.at, f"There is no {what} {token.text!r}. There are: {', '.join(sorted(names))}.")

    def _field(self, token: _Token, of: str) -> None:
        if of != "loop":
            self._found.fields.setdefault(token.text, self._used(token))
        elif token.text not in _LOOP_FIELDS:
            self._tell(token.at, f"A loop has no {token.text!r}, but: {', '.join(sorted(_LOOP_FIELDS))}.")

    def _variable(self, token: _Token) -> None:
        inside = {block.item for block in self._open} | ({"loop"} if self._in_loop() else set())
        if token.text not in _KEYWORDS and token.text not in inside:
            self._found.variables.setdefault(token.text, self._used(token))

    def _in_loop(self) -> bool:
        return any(block.statement == "for" for block in self._open)

    # --- places -----------------------------------------------------------------------------------------------------

    def _used(self, token: _Token) -> Used:
        line, column = place(self._source, token.at)
        return Used(token.text, line, column)

    def _tell(self, at: int, detail: str) -> None:
        line, column = place(self._source, at)
        self._found.problems.append(Problem(line, column, detail))


def place(source: str, at: int) -> tuple[int, int]:
    """Line and column of an offset, both from 1."""
    return source.count("\n", 0, at) + 1, at - source.rfind("\n", 0, at)


def in_order(problems: Sequence[Problem]) -> Iterator[Problem]:
    yield from sorted(problems, key=lambda problem: (problem.line, problem.column))
