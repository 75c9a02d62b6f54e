"""Is the reference we ask to be echoed short, plain, and readable only if we wrote it?"""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messaging.domain.messages.reference import Reference, parse, verify, write
from messaging.domain.shared.ids import MessageId


def tag(text: str) -> str:
    return "k7q2m9xa" if text.startswith("v1.") else ""


@given(value=st.uuids(), epoch=st.integers(0, 999_999_999))
def test_what_we_wrote_is_read_back(value: UUID, epoch: int) -> None:
    text = write(MessageId(value), epoch, tag)

    reference = parse(text)

    assert reference == Reference(message_id=MessageId(value), epoch=epoch, tag="k7q2m9xa")
    assert verify(text, tag) == reference
    assert text.isascii()
    assert len(text) <= 256


@pytest.mark.parametrize(
    "text",
    [
        "",
        "campaign-42",
        "v1.",
        "v1.01h455vb4pex5vsknk084sn02q.1",
        "v2.01h455vb4pex5vsknk084sn02q.1.k7q2m9xa",
        "v1.01h455vb4pex5vsknk084sn02q.1.k7q2m9xa.x",
        "v1.01H455VB4PEX5VSKNK084SN02Q.1.k7q2m9xa",
        "v1.01h455vb4pex5vsknk084sn02q..k7q2m9xa",
        "v1.01h455vb4pex5vsknk084sn02q.-1.k7q2m9xa",
        "v1.01h455vb4pex5vsknk084sn02q.١.k7q2m9xa",
        "v1.01h455vb4pex5vsknk084sn02q.1234567890.k7q2m9xa",
        "v1.nonsense.1.k7q2m9xa",
    ],
)
def test_what_we_did_not_write_is_not_read(text: str) -> None:
    assert parse(text) is None
    assert verify(text, tag) is None


def test_what_was_written_for_another_tenant_is_not_believed() -> None:
    text = write(MessageId(UUID(int=7)), 1, lambda part: "another0")

    assert verify(text, tag) is None


@given(text=st.text(max_size=80))
def test_no_text_upsets_the_reader(text: str) -> None:
    reference = parse(text)

    assert reference is None or text.startswith("v1.")
