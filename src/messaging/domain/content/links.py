"""Checks that a link can be followed from the public internet, by a provider or by a recipient's phone.

Host names are judged by their form; nothing is resolved. A public name that resolves to a private address passes.
"""

import re
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final
from urllib.parse import SplitResult, urlsplit

MAX_LINK: Final = 2_000
_HTTPS: Final = frozenset({"https"})
_ANY_WEB: Final = frozenset({"http", "https"})
_NAME: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*")
# A host whose last label is a number is an IPv4 address to every browser (WHATWG URL, "ends in a number").
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
# Top-level names that the public DNS never answers: RFC 6761, 6762 (with appendix G), 7686, 8375, 9476; ICANN 2024.
_PRIVATE_NAMES: Final = (
    *("alt", "corp", "home", "home.arpa", "internal", "intranet", "invalid", "lan", "local", "localdomain"),
    *("localhost", "onion", "private", "test"),
)
_NAT64: Final = IPv6Network("64:ff9b::/96")
# The range that IANA assigns as global unicast; a version of `ipaddress` may not know each exception outside of it.
_GLOBAL_UNICAST: Final = IPv6Network("2000::/3")


def link_problem(text: str, *, https_only: bool) -> str | None:
    """The reason why a link is refused and how to mend it; None for one that may be public."""
    if len(text) > MAX_LINK:
        return f"The link is longer than {MAX_LINK} characters. Shorten it."
    if not text.isascii() or any(char <= " " or char == "\x7f" for char in text):
        return "A link holds no spaces, line breaks or letters outside ASCII. Percent-encode them, names as xn--…."
    try:
        parts = urlsplit(text)
        # Reading the port validates it.
        usable = parts.hostname is not None and parts.port != 0
    except ValueError:
        usable, parts = False, None
    allowed = _HTTPS if https_only else _ANY_WEB
    if parts is None or not usable or parts.scheme not in allowed:
        return f"Not a complete {' or '.join(sorted(allowed))} URL, like https://cdn.example.com/a.pdf."
    return _authority_problem(parts)


def host_problem(host: str) -> str | None:
    """The reason why a host cannot be reached from the public internet; None for one that may be."""
    name = host.lower().removesuffix(".")
    if ":" in name or _NUMBER.fullmatch(name.rpartition(".")[2]):
        return _literal_problem(name)
    if not _NAME.fullmatch(name) or len(name) > 253:
        return "The link's host is not a well-formed name. Write the name as in DNS."
    if "." not in name:
        return "The link's host is a single name, which only its own network knows. Use a public name."
    private = next((suffix for suffix in _PRIVATE_NAMES if f".{name}".endswith(f".{suffix}")), None)
    return None if private is None else f"No name under .{private} exists on the public internet. Use a public name."


def _authority_problem(parts: SplitResult) -> str | None:
    if "@" in parts.netloc:
        return "A link carries no user name or password. Use one that works without."
    if "\\" in parts.netloc or "%" in parts.netloc:
        return "The link's host holds a backslash or a percent sign, which others read differently. Write it plainly."
    return host_problem(parts.hostname or "")


def _literal_problem(host: str) -> str | None:
    try:
        address = ip_address(host)
    except ValueError:
        return "The link's host is an IP address in an unusual spelling. Use a name, or four decimal numbers."
    if not _is_public(address):
        return (
            "The link's IP address is not public (loopback, private, link-local, shared, multicast or reserved). "
            "Use a public name."
        )
    return None


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether the address is public; False also for an IPv6 address that contains an IPv4 address which is not."""
    if isinstance(address, IPv4Address):
        return address.is_global and not address.is_multicast
    if (inner := _wrapped(address)) is not None:
        return _is_public(inner)
    return address.is_global and address in _GLOBAL_UNICAST


def _wrapped(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address inside an IPv6 address: compatible, NAT64, mapped or 6to4."""
    if address in _NAT64 or int(address) >> 32 == 0:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour
