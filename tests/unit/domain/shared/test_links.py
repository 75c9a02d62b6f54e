"""Links that may be public pass; any other is refused with the reason."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messaging.domain.content.links import link_problem


@pytest.mark.parametrize(
    "link",
    [
        "https://cdn.example.com/a.jpg",
        "https://example.com:8443/a?b=c#d",
        "HTTPS://CDN.Example.COM/a.jpg",
        "https://example.com./a.jpg",
        "https://a_b.example.com/a.jpg",
        "https://xn--exmple-cua.com/a.jpg",
        "https://local.example.com/a.jpg",
        "https://1.2.3.4.example.com/a.jpg",
        "https://example.com/@me:here",
        "https://8.8.8.8/a.jpg",
        "https://[2606:2800:220:1::1]/a.pdf",
        "https://[2002:0808:0808::1]/a.pdf",
        "https://[::808:808]/a.pdf",
        "https://[::c808:808]/a.pdf",
        "https://[64:ff9b::808:808]/a.pdf",
        "https://" + "a" * 63 + ".example.com/" + "a" * (2_000 - 84),
        "https://" + ".".join(["a" * 63] * 3 + ["b" * 57, "com"]) + "/a.jpg",
    ],
)
def test_links_that_may_be_public_are_accepted(link: str) -> None:
    assert link_problem(link, https_only=True) is None


@pytest.mark.parametrize(
    "link",
    [
        "",
        "cdn.example.com/a.jpg",
        "//cdn.example.com/a.jpg",
        "https://",
        "https:///a.jpg",
        "https:\\\\example.com\\a.jpg",
        "ftp://example.com/a.jpg",
        "javascript:alert(1)",
        "data:image/png;base64,AAAA",
        "file:///etc/passwd",
        "https://example.com:99999/a.jpg",
        "https://example.com:0/a.jpg",
        "https://[::1/a.jpg",
    ],
)
def test_what_is_no_complete_url_is_told_so(link: str) -> None:
    assert "Not a complete http or https URL" in (link_problem(link, https_only=False) or "")


@pytest.mark.parametrize(
    ("host", "reason"),
    [
        # Loopback, private, link-local, shared (CGNAT), multicast, unspecified, broadcast, documentation.
        *((ip, "not public") for ip in ("127.0.0.1", "127.8.8.8", "10.0.0.5", "172.16.0.1", "192.168.1.10")),
        *((ip, "not public") for ip in ("169.254.169.254", "100.64.0.1", "224.0.0.1", "239.255.255.250")),
        *((ip, "not public") for ip in ("0.0.0.0", "255.255.255.255", "192.0.2.1", "198.18.0.1", "240.0.0.1")),
        *((ip, "not public") for ip in ("[::1]", "[::]", "[fe80::1]", "[fd00::1]", "[fec0::1]", "[ff02::1]")),
        # IPv4 inside IPv6: mapped, compatible, NAT64, 6to4; Teredo and documentation lead nowhere.
        *((ip, "not public") for ip in ("[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::7f00:1]", "[::127.0.0.1]")),
        *((ip, "not public") for ip in ("[::1:808:808]", "[::2:808:808]")),
        *((ip, "not public") for ip in ("[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[2001:0::1]", "[2001:db8::1]")),
        # Spellings that browsers and libc read as 127.0.0.1 or 10.0.0.1, and Python does not.
        *((ip, "unusual spelling") for ip in ("2130706433", "0x7f000001", "127.1", "0177.0.0.1", "0x7f.0.0.1")),
        *((ip, "unusual spelling") for ip in ("127.0.0.01", "10.0.0x1", "1.2.3.4.5", "999.1.1.1")),
        ("127.0.0.1.", "not public"),
        ("[fe80::1%25eth0]", "percent sign"),
        ("%6c%6fcalhost", "percent sign"),
        ("example.com\\.evil.example", "backslash"),
        *((name, "single name") for name in ("localhost", "LOCALHOST", "localhost.", "minio", "com")),
        *(
            (name, "exists on the public")
            for name in ("a.internal", "printer.local", "x.localhost", "a.test", "a.invalid")
        ),
        *(
            (name, "exists on the public")
            for name in ("nas.lan", "router.home.arpa", "home.arpa", "a.corp", "a.INTERNAL.")
        ),
        ("metadata.google.internal", "exists on the public"),
        *((name, "well-formed") for name in ("a..example.com", ".example.com", "-a.example.com", "a,b.example.com")),
        (".".join(["a" * 63] * 3 + ["b" * 58, "com"]), "well-formed"),
        ("user:secret@example.com", "user name or password"),
        ("example.com@evil.example", "user name or password"),
        ("@example.com", "user name or password"),
    ],
)
def test_a_link_that_cannot_be_public_is_refused_with_the_reason(host: str, reason: str) -> None:
    assert reason in (link_problem(f"https://{host}/a.jpg", https_only=True) or "")
    assert reason in (link_problem(f"http://{host}", https_only=False) or "")


@pytest.mark.parametrize(
    ("link", "reason"),
    [
        ("https://example.com/a b.jpg", "no spaces"),
        ("https://example.com/a\n.jpg", "no spaces"),
        (" https://example.com/a.jpg", "no spaces"),
        ("https://exämple.com/a.jpg", "outside ASCII"),
        ("https://127。0。0。1/a.jpg", "outside ASCII"),
        ("https://example.com/" + "a" * 1_981, "longer than 2000"),
    ],
)
def test_a_link_is_short_and_plain_ascii(link: str, reason: str) -> None:
    assert reason in (link_problem(link, https_only=False) or "")


def test_plain_http_is_accepted_only_where_the_provider_allows_it() -> None:
    assert link_problem("http://example.com/a.jpg", https_only=False) is None
    assert link_problem("http://example.com/a.jpg", https_only=True) is not None


@given(text=st.text(max_size=60) | st.text(max_size=60).map("https://".__add__))
def test_no_text_upsets_the_check(text: str) -> None:
    assert link_problem(text, https_only=False) is not None or text.lower().startswith(("http://", "https://"))
