"""URLs that tenants name for callbacks: which texts are one, and what each part must be.

The rule is narrower than any URL library's, so that no two of them can read one text differently: ASCII, one scheme, a
host that is a name or a plainly written address, no login, no fragment. What a *name* resolves to is not judged here
but at the socket, for it may be something else the next time.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from msgspec import Struct

LONGEST_URL: Final = 2_048
_PORTS: Final = {"https": 443, "http": 80}
# Ports below are other protocols' own, all but a scheme's usual one.
_FIRST_FREE_PORT: Final = 1_024
_LAST_PORT: Final = 65_535

_URL: Final = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<authority>[^/?#]*)(?P<path>/[^?#]*)?(?:\?(?P<query>[^#]*))?(?P<rest>#.*)?"
)
# Printable ASCII without the backslash, which browsers read as a slash.
_PLAIN: Final = re.compile(r"[!-\[\]-~]*")
_AUTHORITY: Final = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\[\]:@%]+)(?::(?P<port>0|[1-9][0-9]{0,4}))?")
_LABEL: Final = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_LONGEST_NAME: Final = 253
_NUMBER: Final = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")


class Target(Struct, frozen=True):
    """A URL in parts. `host` is a name or an address in small letters, without brackets; `path` holds the query too."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}{self.path}"

    @property
    def address(self) -> IPv4Address | IPv6Address | None:
        """The host as an address, if it is one."""
        return _address(self.host)


class Flaw(Struct, frozen=True):
    """One thing that is wrong with a URL, and how to mend it."""

    code: str
    detail: str


def read_target(url: str, *, denied_ports: Collection[int] = ()) -> Target | Sequence[Flaw]:
    """The parts of a URL, or everything that is wrong with it."""
    if len(url) > LONGEST_URL:
        return (Flaw("url_too_long", f"The URL is longer than {LONGEST_URL} characters."),)
    if not _PLAIN.fullmatch(url):
        detail = "The URL has a character that must be written otherwise: percent-encoded, a host in xn--… form."
        return (Flaw("url_not_plain", detail),)
    found = _URL.fullmatch(url)
    if found is None:
        return (Flaw("url_malformed", "Not a URL. Write it like https://example.com/hooks."),)
    scheme, authority = found["scheme"].lower(), found["authority"]
    flaws = [*_flaws_of_scheme(scheme), *_flaws_of_rest(found["rest"])]
    parts = _AUTHORITY.fullmatch(authority)
    if parts is None:
        return (*flaws, _flaw_of_authority(authority))
    host = parts["host"].strip("[]").lower()
    port = int(parts["port"]) if parts["port"] is not None else _PORTS.get(scheme, _PORTS["https"])
    flaws += [*_flaws_of_host(host, parts["host"]), *_flaws_of_port(port, scheme, denied_ports)]
    path = (found["path"] or "/") + ("" if found["query"] is None else f"?{found['query']}")
    return tuple(flaws) or Target(scheme, host, port, path)


def _flaws_of_scheme(scheme: str) -> Iterator[Flaw]:
    if scheme not in _PORTS:
        yield Flaw("url_scheme", "Callbacks go to https (in test mode to http too).")


def _flaws_of_rest(rest: str | None) -> Iterator[Flaw]:
    if rest is not None:
        yield Flaw("url_fragment", "A URL for callbacks has no fragment: leave out # and what follows.")


def _flaw_of_authority(authority: str) -> Flaw:
    if "@" in authority:
        detail = "A URL for callbacks holds no login. Put it into a header of the endpoint."
        return Flaw("url_login", detail)
    return Flaw("url_host", "The host is no name, no address, or has a port that is none.")


def _flaws_of_host(host: str, written: str) -> Iterator[Flaw]:
    if written.startswith("["):
        if not isinstance(_address(host), IPv6Address):
            yield Flaw("url_host", "What is in brackets is no IPv6 address.")
    elif _NUMBER.fullmatch(host.rpartition(".")[2]):
        if not isinstance(_address(host), IPv4Address):
            yield Flaw("url_host", "The host is a number. Write an IPv4 address as four decimal numbers.")
    elif len(host) > _LONGEST_NAME or not all(map(_LABEL.fullmatch, host.split("."))):
        yield Flaw("url_host", "The host is no name: labels of letters, digits and hyphens, without a dot at the end.")


def _flaws_of_port(port: int, scheme: str, denied: Collection[int]) -> Iterator[Flaw]:
    usual = _PORTS.get(scheme, _PORTS["https"])
    free = _FIRST_FREE_PORT <= port <= _LAST_PORT or port == usual
    if not free or port in denied:
        yield Flaw("url_port", f"Port {port} is not for callbacks: use {usual}, 8443 or another above 1023.")


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
