"""Which URLs may an endpoint have, as far as their spelling tells? The parts are tested with the rule of targets."""

import pytest

from messaging.domain.callbacks.rules.address import url_host, url_violations
from messaging.domain.shared.mode import Mode


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example.com/messaging",
        "HTTPS://Hooks.Example.com/x?token=1&b=%20",
        "https://hooks.example.com:8443/",
        "https://203.0.113.7/",
        "https://[2606:4700::1]:8443/",
    ],
)
def test_a_complete_https_url_may_be_posted_to(url: str) -> None:
    assert url_violations(url, Mode.LIVE) == ()


@pytest.mark.parametrize(
    "url",
    [
        *("", "hooks.example.com", "//hooks.example.com/", "https://", "https://[::1/", "file:///etc/passwd"),
        *("ftp://hooks.example.com/", "https://user@hooks.example.com/", "https://hooks.example.com/#part"),
        *("https://hooks.example.com/a b", "https://hooks.example.com/\r\nx: y", "https://a\\@127.0.0.1/"),
        *("https://bücher.example/", "https://１２７.0.0.1/", "https://hooks.example.com:080/"),
        *("https://hooks.example.com:65536/", "https://hooks.example.com:22/", "https://hooks.example.com:80/"),
        *("https://hooks.example.com./", "https://hooks..example.com/", "https://%6c%6fcalhost/"),
        *("https://2130706433/", "https://0x7f000001/", "https://0177.0.0.1/", "https://127.1/"),
        *("https://[fe80::1%25eth0]/", f"https://hooks.example.com/{'a' * 3_000}", "http://hooks.example.com/"),
    ],
)
def test_what_is_wrong_is_said(url: str) -> None:
    found = url_violations(url, Mode.LIVE)

    assert {(it.pointer, it.code) for it in found} == {("/url", "callback_url_invalid")}


def test_everything_that_is_wrong_is_listed() -> None:
    assert len(url_violations("http://0177.0.0.1:22/#x", Mode.LIVE)) == 4


def test_test_mode_may_use_http() -> None:
    assert url_violations("http://localhost:8099/hook", Mode.TEST) == ()
    assert url_violations("http://hooks.example.com:80/", Mode.TEST) == ()
    assert url_violations("http://hooks.example.com:81/", Mode.TEST) != ()


def test_ports_that_the_operator_denies_are_not_used() -> None:
    assert url_violations("https://hooks.example.com:6379/", Mode.LIVE, {6379}) != ()


def test_the_host_is_shown_without_port_and_path() -> None:
    assert url_host("https://Hooks.Example.com:8443/secret") == "hooks.example.com"
