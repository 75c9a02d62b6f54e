"""What runs is found in a mail's HTML however it is written, and what only looks like it is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messaging.domain.content.html import html_flaws


@pytest.mark.parametrize(
    ("html", "flaw"),
    [
        ("<script>alert(1)</script>", "<script>"),
        ("<SCRIPT src=//x.example>", "<script>"),
        ("<script", "<script>"),
        ("<scr<script>ipt>", "a tag within the name of a tag"),
        ("<iframe src=x>", "<iframe>"),
        ("<svg/onload=x>", "an onload attribute"),
        ("<img src=x onerror=alert(1)>", "an onerror attribute"),
        ('<img src=x\nONERROR\n=\n"x">', "an onerror attribute"),
        ("<p onclick", "an onclick attribute"),
        ("<p on\u0301=x>", "an on… attribute"),
        ('<a href="javascript:x">', "a javascript: link"),
        ('<a href=" jav\tascript:x">', "a javascript: link"),
        ('<a href="java&#115;cript:x">', "a javascript: link"),
        ("<a href=javascript&colon;x>", "a javascript: link"),
        ("<a href='VBScript:x'>", "a vbscript: link"),
        ("<button formaction=javascript:x>", "a javascript: link"),
        ('<a href="data:text/html,x">', "a data: link"),
        ('<img src="data:image/svg+xml,x">', "a data: link"),
        ("<meta http-equiv=Refresh content=0>", "a refreshing <meta>"),
        # A quote or comment that only one of two readers sees hides nothing from either.
        ('<a "> <img src=x onerror=1>', "an onerror attribute"),
        ('<a b"c d="x>y" onclick=1>', "an onclick attribute"),
        ("</a title=\"<b title='\"> <img src=x onerror=1> '>", "an onerror attribute"),
        ("<!x <b title='> <img onerror=1>", "an onerror attribute"),
        ("<!--><img onerror=x>-->", "an onerror attribute"),
        ('<!-- <a title="--> <img onerror=x>" -->', "an onerror attribute"),
        ("<!--[if mso]><script></script><![endif]-->", "<script>"),
        ('<title><a title="</title><img onerror=x>">', "an onerror attribute"),
        ("<style><img onerror=x></style>", "an onerror attribute"),
    ],
)
def test_what_runs_is_found(html: str, flaw: str) -> None:
    assert flaw in html_flaws(html)


@pytest.mark.parametrize(
    "html",
    [
        "Plain text, 1 < 2 and onclick = 3",
        "<!doctype html><html><head><title>Hi</title><style>td > a {color: red}</style></head><body></body></html>",
        '<a href="https://x.example/?on=1&amp;a=2" style="color: red" title="onclick=x">on</a>',
        '<img src="data:image/png;base64,AAAA" alt="javascript: the good parts">',
        "<!--[if mso]><table><tr><td><![endif]-->x<!--[if mso]></td></tr></table><![endif]-->",
        "<code>&lt;script&gt; &lt;p onclick=x&gt;</code>",
        '<a href="https://x.example/javascript:x">',
        # To a browser the slash belongs to the picture's address.
        "<img src=x/onerror=1>",
    ],
)
def test_what_only_looks_like_it_is_not(html: str) -> None:
    assert html_flaws(html) == []


def test_each_kind_is_listed_once_and_only_so_many() -> None:
    assert html_flaws("<script></script>" * 3) == ["<script>"]
    assert len(html_flaws("".join(f"<p on{chr(97 + letter)}=x>" for letter in range(26)))) == 10


# Pieces that leave nothing open: what follows them is read as it stands.
PIECES = (
    *("text", "<p>", "</p>", '<a title="x>y">', "<a title='\"'>", '<a b"c>', "</a '>", "<!-- c -->", "<!-->", "<!x '>"),
    *("<style>td > a {}</style>", "<title>'</title>", "<", "< p", '"', "'", "-->", "&lt;", '<?x ">', "<br/>"),
)


@given(st.lists(st.sampled_from(PIECES), max_size=12))
def test_whatever_comes_before_a_script_does_not_hide_it(pieces: list[str]) -> None:
    before = " ".join(pieces)

    assert html_flaws(before) == []
    assert html_flaws(f"{before} <script>") == ["<script>"]
