"""Which texts are URLs for callbacks, and what is said about those that are not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messaging.domain.callbacks.target import LONGEST_URL, Target, read_target
from messaging.entrypoints.settings.outbound import OutboundSettings
from tests.egress_vectors import SPELLINGS, URLS, members

# URLs of the list that are read, because what is wrong with them is judged when they are connected to.
READ = {"hTTp://localhost:PORT/", "http://127.0.0.1:PORT?@public.example/"}
DENIED = OutboundSettings().outbound_denied_ports.ports


def codes(url: str, **options: frozenset[int]) -> set[str]:
    found = read_target(url, **options)
    return set() if isinstance(found, Target) else {flaw.code for flaw in found}


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://example.com", Target("https", "example.com", 443, "/")),
        ("https://example.com/", Target("https", "example.com", 443, "/")),
        ("HTTPS://Hooks.Example.com:8443/a/b?c=d&e", Target("https", "hooks.example.com", 8443, "/a/b?c=d&e")),
        ("http://example.com?x", Target("http", "example.com", 80, "/?x")),
        ("https://1.2.3.4:9000/%20", Target("https", "1.2.3.4", 9000, "/%20")),
        ("https://[2606:4700::1111]/", Target("https", "2606:4700::1111", 443, "/")),
        ("https://xn--bcher-kva.example/a;b=c/~d", Target("https", "xn--bcher-kva.example", 443, "/a;b=c/~d")),
        ("https://my_host.example/", Target("https", "my_host.example", 443, "/")),
    ],
)
def test_a_url_is_read_into_its_parts(url: str, target: Target) -> None:
    assert read_target(url) == target


@pytest.mark.parametrize(
    "url", ["https://example.com/", "https://example.com:8443/a?b=c", "http://[::1]:9000/x", "https://1.2.3.4/"]
)
def test_its_parts_make_the_same_url(url: str) -> None:
    target = read_target(url)

    assert isinstance(target, Target)
    assert target.url == url


@pytest.mark.parametrize(("kind", "host"), members(SPELLINGS))
def test_a_host_that_readers_could_read_differently_is_refused(kind: str, host: str) -> None:
    assert codes(f"https://{host}/hooks") & {"url_host", "url_not_plain"}


@pytest.mark.parametrize(
    ("kind", "url"), [(kind, url) for kind, given in URLS.items() for url in given if url not in READ]
)
def test_a_url_that_readers_could_read_differently_is_refused(kind: str, url: str) -> None:
    assert codes(url.replace("PORT", "9000"), denied_ports=DENIED)


def test_everything_that_is_wrong_is_told_at_once() -> None:
    assert codes("ftp://999.1:22/#x") == {"url_scheme", "url_fragment", "url_host", "url_port"}
    assert codes("https://host..example:22/#x") == {"url_fragment", "url_host", "url_port"}


def test_a_flaw_says_how_to_mend_it() -> None:
    [flaw] = read_target("https://user:secret@example.com/")  # type: ignore[misc]

    assert flaw.code == "url_login"
    assert "header" in flaw.detail
    assert "secret" not in flaw.detail


def test_a_port_is_one_for_callbacks() -> None:
    for_callbacks = [
        port for port in (22, 80, 443, 1023, 1024, 8443, 65_535, 65_536) if not codes(f"https://a.b:{port}/")
    ]

    assert for_callbacks == [443, 1024, 8443, 65_535]
    assert codes("http://example.com:80/") == set()
    assert codes("http://example.com:443/") == {"url_port"}
    assert codes("https://example.com:6379/", denied_ports=frozenset({6379})) == {"url_port"}


def test_a_long_url_is_refused() -> None:
    longest = "https://example.com/" + "a" * (LONGEST_URL - 20)

    assert codes(longest) == set()
    assert codes(longest + "a") == {"url_too_long"}


@given(st.text(max_size=60))
def test_any_text_is_a_target_or_has_a_flaw(text: str) -> None:
    for url in (text, f"https://{text}", f"https://{text}@example.com/", f"https://example.com/{text}"):
        found = read_target(url)
        if isinstance(found, Target):
            assert found.url.isascii()
            assert read_target(found.url) == found
        else:
            assert found
