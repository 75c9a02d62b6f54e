"""Which headers of a tenant's own may be sent?"""

import pytest

from messaging.domain.callbacks.rules.headers import FORBIDDEN, header_violations


def test_ordinary_headers_are_sent() -> None:
    assert header_violations({"Authorization": "Bearer 7f3a", "x-source": "a b", "X_Y": "z"}) == ()


@pytest.mark.parametrize(
    "name",
    [
        *FORBIDDEN,
        "Host",
        "Content-Length",
        "webhook-id",
        "Webhook-Signature",
        "X-Forwarded-For",
        "X-aws-ec2-metadata-token",
        "Metadata-Flavor",
        "Transfer-Encoding",
    ],
)
def test_what_the_platform_or_a_connection_uses_is_refused_with_the_list(name: str) -> None:
    (found,) = header_violations({name: "x"})

    assert (found.pointer, found.code) == (f"/headers/{name}", "callback_header_invalid")
    assert "transfer-encoding" in found.detail
    assert "webhook-*" in found.detail


@pytest.mark.parametrize("value", ["", " x", "x ", "a\r\nx-b: c", "a\nb", "a\x00b", "é", "x" * 1_001])
def test_a_value_is_one_line_of_visible_ascii(value: str) -> None:
    (found,) = header_violations({"x-a": value})

    assert found.detail.startswith("A header's value")
    assert not value or value not in found.detail


@pytest.mark.parametrize("name", ["", "a b", "a:b", "a\nb", "é", "x" * 101])
def test_a_name_is_a_token(name: str) -> None:
    assert any(it.detail.startswith("A header's name") for it in header_violations({name: "x"}))


def test_the_same_name_twice_and_too_many_are_refused() -> None:
    assert [it.pointer for it in header_violations({"X-A": "1", "x-a": "2"})] == ["/headers/x-a"]
    assert header_violations({f"x-{n}": "1" for n in range(10)}) == ()
    assert header_violations({f"x-{n}": "1" for n in range(11)})[0].pointer == "/headers"
