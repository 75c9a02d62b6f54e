"""SMTP replies: what each code means, whom it concerns and how long to wait, as a table.

The classes are those of RFC 5321 (2yz done, 4yz not now, 5yz never) and RFC 3463 (`class.subject.detail`). An enhanced
code says more than the basic one and overrides it. The first line that fits is used, so special ones come first. Some
servers explain a code only in words; a line with `words` fits only a reply that contains them. Waits are ours.
"""

import re
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final

from msgspec import Struct

from messaging.domain.messages.retry import Scope


class Stage(StrEnum):
    """The point of the conversation at which something happened."""

    CONNECT = "connect"
    TLS = "tls"
    LOGIN = "login"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    # The content is being written; its final dot is not.
    CONTENT = "content"
    # The final dot may have been written.
    DOT = "dot"


class Kind(StrEnum):
    """What to do after a refusal. In all of them the server has *not* taken the message."""

    TRANSIENT = "transient"
    THROTTLED = "throttled"
    REFUSED = "refused"


class Line(Struct, frozen=True, kw_only=True):
    """A line of the table. A reply must fit all that is given.

    `enhanced` are beginnings of enhanced codes: `5.1` fits 5.1.1 and 5.1.10, `5.1.1` fits only itself.
    """

    title: str
    kind: Kind
    scope: Scope
    codes: tuple[int, ...] = ()
    enhanced: tuple[str, ...] = ()
    stages: tuple[Stage, ...] = ()
    words: re.Pattern[str] | None = None
    wait: timedelta | None = None


class Reply(Struct, frozen=True, kw_only=True):
    """A server's answer: the basic code, and all its text with lines joined by newlines."""

    code: int
    text: str = ""

    @property
    def enhanced(self) -> str | None:
        """The enhanced code that the text begins with."""
        found = _ENHANCED.match(self.text)
        return found[0] if found else None

    @property
    def shown(self) -> str:
        """The code as the server spells it: the enhanced one where there is one."""
        return self.enhanced or str(self.code)

    @property
    def is_for_now(self) -> bool:
        """Whether it refuses for now; the class of an enhanced code overrides that of the basic one."""
        return self.shown.startswith("4")


_ENHANCED: Final = re.compile(r"[45]\.\d{1,3}\.\d{1,3}(?=\s|$)")


def _words(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


_GREYLISTED: Final = _words(r"gr[ea]y-?list|try again in (5|five) min|postgrey")
_TOO_FAST: Final = _words(
    r"throttl|rate.?limit|rate exceeded|too (many|fast|quickly)|sending rate|unusual rate|exceeded .{0,40}(rate|limit)"
)
_DAILY: Final = _words(r"(daily|24.hour|per day) .{0,30}(quota|limit)|(quota|limit) .{0,30}(daily|per day)")
_NO_RELAY: Final = _words(
    r"relay(ing)? (access )?(denied|not permitted|prohibited)|unable to relay|not allowed to relay"
)
_FULL: Final = _words(r"(mailbox|quota|storage).{0,30}(full|exceeded)|over ?quota|full mailbox")

_R, _A = Scope.RECIPIENT, Scope.ACCOUNT
_LATER: Final = (421, 450, 451, 452, 454)


def _for_now(title: str, scope: Scope, wait: int, **fits: Any) -> Line:
    return Line(title=title, kind=Kind.TRANSIENT, scope=scope, wait=timedelta(seconds=wait), **fits)


def _too_fast(title: str, scope: Scope, wait: int, **fits: Any) -> Line:
    return Line(title=title, kind=Kind.THROTTLED, scope=scope, wait=timedelta(seconds=wait), **fits)


def _for_good(title: str, scope: Scope, **fits: Any) -> Line:
    return Line(title=title, kind=Kind.REFUSED, scope=scope, **fits)


def _login(**fits: Any) -> Line:
    """The message is not at fault: it waits until the account has other credentials."""
    title = "The server does not accept the login"
    return Line(title=title, kind=Kind.TRANSIENT, scope=Scope.CREDENTIAL, **fits)


_NOT_NOW: Final = (
    _too_fast("The daily quota is used up", _A, 3600, codes=_LATER, words=_DAILY),
    _for_now("Greylisted: the server takes it at a later try", _R, 300, codes=_LATER, words=_GREYLISTED),
    _too_fast("The recipient's domain takes no more for now", _R, 300, enhanced=("4.7.28", "4.7.32")),
    _too_fast("The server takes no more so fast", Scope.SENDER, 30, codes=_LATER, words=_TOO_FAST),
    _too_fast("The server takes no more for now", Scope.SENDER, 60, codes=(421,), enhanced=("4.7.0",)),
    _for_now("The login cannot be checked for now", _A, 60, enhanced=("4",), stages=(Stage.LOGIN,)),
    _for_now("The recipient's mailbox is full", _R, 3600, enhanced=("4.2.2",)),
    _for_now("The recipient's server takes it at a later try", _R, 300, enhanced=("4.2.0", "4.7.1")),
    _for_now("The server is closing", _A, 60, codes=(421,)),
    _for_now("The server has no resources for now", _A, 60, enhanced=("4.3",)),
    _for_now("The recipient is not available for now", _R, 60, enhanced=("4",), stages=(Stage.RCPT,)),
    _for_now("The server refused for now", Scope.MESSAGE, 60, enhanced=("4",)),
)
_THE_ACCOUNT: Final = (
    _for_now("The server does not serve us", _A, 300, stages=(Stage.CONNECT, Stage.TLS)),
    _login(codes=(530, 534, 535, 538)),
    _login(enhanced=("5.7.8", "5.7.9", "5.7.11")),
    _login(stages=(Stage.LOGIN,)),
    _for_good("The server relays nothing for this account", _A, words=_NO_RELAY),
    _for_good("The sender's address is not accepted", Scope.SENDER, enhanced=("5.1.7", "5.1.8", "5.7.60")),
)
_THE_MESSAGE: Final = (
    _for_good("The message is too large", Scope.MESSAGE, enhanced=("5.3.4", "5.2.3")),
    _for_good("The content is not accepted", Scope.MESSAGE, enhanced=("5.6",)),
    _for_good("The recipient's mailbox is full", _R, enhanced=("5.2.2",)),
    _for_good("The recipient's mailbox is full", _R, codes=(552,), words=_FULL),
    _for_good("The recipient's mailbox is disabled", _R, enhanced=("5.2.1",)),
    _for_good("There is no such recipient", _R, enhanced=("5.1",)),
    _for_good("The recipient's domain takes no mail", _R, codes=(521, 556)),
    _for_good("The sender's domain is refused by policy", Scope.SENDER, enhanced=("5.7",)),
    _for_good("The sender is refused", Scope.SENDER, stages=(Stage.MAIL,)),
    _for_good("The recipient is refused", _R, stages=(Stage.RCPT,)),
    _for_good("The message is too large", Scope.MESSAGE, codes=(552,)),
    _for_good("The message is refused", Scope.MESSAGE),
)
TABLE: Final = _NOT_NOW + _THE_ACCOUNT + _THE_MESSAGE


def find(reply: Reply, stage: Stage) -> Line:
    """The first line that fits a refusal. The class of an enhanced code overrides that of the basic one."""
    # An answer that is neither of the two classes of refusals is a fault of the server, which may pass.
    basic_class = "5" if reply.code // 100 == 5 else "4"
    status = reply.enhanced or f"{basic_class}.{_NOTHING}"
    basic = reply.code if status[0] == basic_class else 0
    return next(line for line in TABLE if _fits(line, status, basic, reply.text, stage))


# Subject and detail of a reply without an enhanced code; no line names them.
_NOTHING: Final = "999.999"


def _fits(line: Line, status: str, basic: int, text: str, stage: Stage) -> bool:
    if status[0] == "4" and line.kind is Kind.REFUSED:
        return False
    if line.stages and stage not in line.stages:
        return False
    if line.words is not None and line.words.search(text) is None:
        return False
    if line.codes and basic not in line.codes:
        return False
    return not line.enhanced or any(f"{status}.".startswith(f"{begin}.") for begin in line.enhanced)
