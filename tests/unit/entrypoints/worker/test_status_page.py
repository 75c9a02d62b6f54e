"""The status page's files: whole, escaped, and readable by who serves them."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from messaging.application.status.compose import StatusPage
from messaging.domain.status.components import Component, ComponentState
from messaging.entrypoints.worker.status_files import WriteStatusPage
from messaging.entrypoints.worker.status_page import files
from tests.builders import NOON
from tests.incidents import FIRST

TOLD = FIRST.published(now=NOON).told("<b>More</b>\nto say.", now=NOON)
PAGE = StatusPage(
    at=NOON,
    overall=ComponentState.DEGRADED,
    components={Component.ACCEPT: ComponentState.OPERATIONAL, Component.SMS: ComponentState.DEGRADED},
    incidents=[TOLD],
)
ATOM = "{http://www.w3.org/2005/Atom}"


def test_people_see_components_and_incidents_newest_update_first_and_no_markup_of_others() -> None:
    html = files(PAGE, title="Acme <status>")["index.html"].decode()

    assert "<h1>Acme &lt;status&gt;</h1>" in html
    assert "<li><span>Delivery: sms</span><strong class=degraded>degraded</strong></li>" in html
    assert html.index("&lt;b&gt;More&lt;/b&gt;<br>to say.") < html.index("We look for the cause &amp; tell.")
    assert "<b>" not in html
    assert "<script" not in html


def test_the_explanation_is_announced_and_then_shown() -> None:
    ended = TOLD.resolved("Over.", now=NOON)
    explained = ended.explained("A <route> was down.", now=NOON)
    before, after = (
        files(StatusPage(at=NOON, overall=PAGE.overall, components={}, incidents=[incident]), title="s")["index.html"]
        for incident in (ended, explained)
    )

    assert b"An explanation follows by" in before
    assert b"A &lt;route&gt; was down." in after


def test_programs_read_the_same() -> None:
    read = json.loads(files(PAGE, title="s")["status.json"])

    assert read["status"] == "degraded"
    assert read["components"][1] == {"id": "delivery_sms", "name": "Delivery: sms", "status": "degraded"}
    assert read["incidents"][0]["updates"][1]["text"] == "<b>More</b>\nto say."
    assert read["incidents"][0]["post_mortem_due_at"] is None


def test_feed_readers_get_an_entry_for_each_incident() -> None:
    feed = ElementTree.fromstring(files(PAGE, title="A & B")["feed.atom"])

    [entry] = feed.findall(f"{ATOM}entry")
    assert feed.findtext(f"{ATOM}title") == "A & B"
    assert entry.findtext(f"{ATOM}id") == f"urn:uuid:{FIRST.id}"
    assert entry.findtext(f"{ATOM}updated") == NOON.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert "<b>More</b>" in (entry.findtext(f"{ATOM}content") or "")


async def test_files_are_replaced_whole_and_can_be_read_by_others(tmp_path: Path) -> None:
    async def compose() -> StatusPage:
        return PAGE

    write = WriteStatusPage(compose, directory=str(tmp_path / "status"), title="s")
    await write()
    await write()

    written = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "status").iterdir()}
    assert written == dict.fromkeys(("index.html", "status.json", "feed.atom"), 0o644)


async def test_a_directory_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    async def compose() -> StatusPage:
        return PAGE

    (tmp_path / "file").write_text("")

    with pytest.raises(OSError):
        await WriteStatusPage(compose, directory=str(tmp_path / "file"), title="s")()
