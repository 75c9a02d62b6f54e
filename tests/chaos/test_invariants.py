"""Does each promise notice what breaks it, in evidence made by hand?"""

from pathlib import Path
from uuid import UUID

import pytest

from messaging.domain.shared.ids import MessageId, Prefix, typeid
from messaging.entrypoints.lab.chaos.judging.evidence import Evidence
from messaging.entrypoints.lab.chaos.judging.figures import figures
from messaging.entrypoints.lab.chaos.judging.invariants import INVARIANTS, judge
from messaging.entrypoints.lab.chaos.storm.clients import Answer
from messaging.entrypoints.lab.chaos.storm.inflict import Inflicted
from messaging.entrypoints.lab.chaos.storm.plan import Call, Planned, Storm, canary
from messaging.entrypoints.lab.dev.onboarding import Business, new_seed

_MESSAGE = MessageId(UUID(int=1))
_TENANT = UUID(int=2)
_M, _T = str(_MESSAGE), str(_TENANT)
_STORM = Storm(
    seed=1,
    seconds=10,
    calls=(
        Call(
            key="k1",
            tenant=0,
            at=0,
            batch=False,
            messages=(Planned(to="+491000004000000", reference="r1", sender=0),),
            repeat_after=None,
            twin=False,
        ),
    ),
    faults=(),
)


def _evidence(*changes: str) -> Evidence:
    """One message that was accepted, sent, delivered and read, and then what `changes` (SQL) make of it."""
    business = Business(
        seed=new_seed(),
        tenant=typeid(Prefix.TENANT, _TENANT),
        api_key="",
        admin_key="",
        account="",
        senders=(),
        phone_number_ids=(),
    )
    evidence = Evidence(_STORM, (business,))
    evidence.add_clients([Answer(key="k1", status=202, digest="d", ids=(typeid(Prefix.MESSAGE, _MESSAGE),), at=0)])
    evidence.add_faults([Inflicted(kind="flush", target="redis", began=1, ended=2, hit=1)])
    evidence.add_processes({"worker": [7], "worker-2": [8]})
    evidence.add_rest([("open files of api", 20, 100)])
    states = ("queued", "claimed", "sending", "submitted", "read")
    evidence.complete()
    for statement in (
        f"INSERT INTO messages VALUES ('{_M}', '{_T}', 'r1', 'read', 5, 1, 'hold', 0, 0)",
        f"INSERT INTO attempts VALUES ('{_M}', 1, 'closed', 'accepted', 'w1', 10, 11, 12, 0, 0, NULL, 'w-7', '{_T}')",
        *(
            f"INSERT INTO events VALUES ('{_M}', {seq}, 'event', '{state}', 1, '{_T}', {seq})"
            for seq, state in enumerate(states, start=1)
        ),
        f"INSERT INTO ledger VALUES (0, 'w1', '{_M}', 1, '{_T}', 11.5, 0, 3, 5)",
        "INSERT INTO webhooks VALUES ('c1', 1)",
        "INSERT INTO raw VALUES ('c1', 'processed', NULL)",
        *changes,
    ):
        evidence.database.execute(statement)
    return evidence


_ACCEPTED_AGAIN = f"INSERT INTO ledger VALUES (1, 'w2', '{_M}', 1, '{_T}', 12, 0, 3, 5)"
_RESENT = (
    "UPDATE messages SET on_unknown = 'resend', possible_duplicate = 1;"
    " UPDATE events SET state = 'unknown' WHERE seq = 3;"
    " UPDATE events SET type = 'message.requeued', state = 'queued', at = 40 WHERE seq = 4"
)
# Started at 11, called unknown at 13.
_LOST = (
    "DELETE FROM ledger; UPDATE messages SET state = 'unconfirmed'; UPDATE events SET state = 'unknown', at = 13"
    " WHERE seq = 5; DELETE FROM faults"
)
_OVERLAPPING = f"INSERT INTO attempts VALUES ('{_M}', 2, 'closed', '', '', 11.9, NULL, NULL, 0, 0, '', 'w', '{_T}')"


def _violated(evidence: Evidence) -> set[str]:
    return {judged.id for judged in judge(evidence.database) if judged.violations}


def test_a_message_that_went_well_breaks_no_promise() -> None:
    assert _violated(_evidence()) == set()


# It failed by a receipt, a person sent it again, and the second time it arrived.
_FAILED = "UPDATE events SET type = 'receipt.failed', state = 'failed' WHERE seq = 3"
_SENT_AGAIN = (
    f"{_FAILED}; UPDATE events SET type = 'message.requeued', state = 'queued' WHERE seq = 4;"
    " UPDATE messages SET possible_duplicate = 1, epoch = 2;"
    f" INSERT INTO attempts VALUES ('{_M}', 2, 'closed', 'accepted', 'w2', 13, 14, 15, 0, 1, NULL, 'w-7', '{_T}');"
    f" INSERT INTO ledger VALUES (1, 'w2', '{_M}', 2, '{_T}', 14.5, 0, 3, 5)"
)


def test_a_failed_message_that_a_person_sent_again_breaks_no_promise() -> None:
    assert _violated(_evidence(*_SENT_AGAIN.split("; "))) == set()


def test_sent_again_once_it_is_not_accepted_a_third_time() -> None:
    third = f"INSERT INTO ledger VALUES (2, 'w2', '{_M}', 2, '{_T}', 14.6, 0, 3, 5)"

    assert _violated(_evidence(*_SENT_AGAIN.split("; "), third)) == {"I2"}


@pytest.mark.parametrize(
    ("promise", "change"),
    [
        ("I1", "DELETE FROM messages"),
        ("I1", "UPDATE messages SET state = 'queued'"),
        ("I2", _ACCEPTED_AGAIN),
        ("I2'", f"UPDATE messages SET on_unknown = 'resend'; {_ACCEPTED_AGAIN}"),
        ("I2'", f"{_RESENT}; UPDATE messages SET on_unknown = 'hold'"),
        ("I2'", f"{_RESENT}; UPDATE events SET type = 'message.requeued' WHERE seq = 5"),
        ("I2'", f"{_RESENT}; UPDATE events SET at = 12 WHERE seq = 4"),
        ("I2'", f"{_RESENT}; UPDATE events SET state = 'sending' WHERE seq = 3"),
        ("I3", "UPDATE messages SET state = 'unconfirmed'"),
        ("I3", "UPDATE attempts SET wamid = NULL"),
        ("I3", "UPDATE messages SET state = 'sent'"),
        ("I4", "DELETE FROM ledger"),
        ("I5", "INSERT INTO ledger VALUES (1, 'w2', NULL, NULL, NULL, 12, 0, 0, NULL)"),
        ("I6", "UPDATE attempts SET started = 11.6"),
        ("I6", "UPDATE attempts SET started = NULL"),
        ("I7", _OVERLAPPING),
        ("I8", "UPDATE events SET state = 'cancelled' WHERE seq = 4"),
        ("I8", "DELETE FROM events WHERE seq = 3"),
        ("I9", "UPDATE events SET state = 'delivered' WHERE seq = 3; UPDATE events SET state = 'sent' WHERE seq = 4"),
        ("I10", "INSERT INTO answers VALUES ('k1', 202, 'another')"),
        ("I10", "INSERT INTO messages SELECT 'twin', tenant, reference, state, 5, 1, 'hold', 0, 0 FROM messages"),
        ("I11", f"INSERT INTO dispatches VALUES ('{_M}', 'deliver')"),
        ("I12", "DELETE FROM raw"),
        ("I12", "INSERT INTO mails VALUES ('m1', 1), ('m2', 1); INSERT INTO kept VALUES ('smtp', 1)"),
        ("I12", "INSERT INTO raw VALUES ('c1', 'processed', NULL)"),
        ("I12", "UPDATE raw SET status = 'set_aside'"),
        ("I12", "UPDATE events SET type = 'receipt.read' WHERE seq > 3"),
        ("I14", "UPDATE ledger SET tenant = 'another'"),
        ("I14", "INSERT INTO leaks VALUES ('api.log')"),
        ("I16", _LOST),
        ("I17", "UPDATE rest SET value = 1000"),
        ("I17", "UPDATE attempts SET phase = 'started'"),
        ("I18", "INSERT INTO surprises VALUES ('worker.log', 'relay.failed', 'KeyError: 1')"),
    ],
)  # fmt: skip
def test_what_breaks_a_promise_is_noticed(promise: str, change: str) -> None:
    evidence = _evidence(*change.split("; "))

    assert promise in _violated(evidence)


@pytest.mark.parametrize(
    ("line", "broken"),
    [
        ('{"event":"relay.failed","level":"error","exception":"Traceback\\n  ...\\nKeyError: 1"}', {"I18"}),
        ('{"event":"worker.drain_incomplete","level":"error"}', set()),
        ('{"event":"queue.unavailable","level":"warning","exception":"Traceback"}', set()),
        (f'{{"event":"content{canary(_STORM.seed, 0)}"}}', {"I14"}),
        ("Segmentation fault", set()),
        ('{"event":"relay.failed","level":"error","exception":"Trace', {"I18"}),
    ],
)
def test_logs_tell_of_content_and_of_surprises(line: str, broken: set[str], tmp_path: Path) -> None:
    evidence = _evidence()
    log = tmp_path / "worker.log"
    log.write_text(f'{{"event":"started","level":"info"}}\n{line}\n')
    evidence.add_logs([log])

    assert _violated(evidence) == broken


@pytest.mark.parametrize(
    ("fault", "explains"),
    [
        ("'kill', 'worker', 12, 12, 1, 7", True),
        ("'kill', 'worker', 12, 12, 1, 6", False),
        ("'kill', 'worker-2', 12, 12, 1, 8", False),
        ("'kill', 'api', 12, 12, 1, 9", False),
        ("'kill', 'worker', 14, 14, 1, 7", False),
        ("'cut', 'worker→sandbox', 12, 12, 1, NULL", True),
        ("'cut', 'worker→redis', 12, 12, 1, NULL", False),
        ("'cut', 'worker-2→sandbox', 12, 12, 1, NULL", False),
        ("'kill', 'sandbox', 12, 13, 1, 5", True),
        ("'provider', 'hang_before', 12, 13, 1, NULL", True),
        ("'provider', 'hang_before', 12, 13, 0, NULL", False),
        ("'provider', '429', 12, 13, 1, NULL", False),
        ("'stop_database', 'postgres', 12, 13, 1, NULL", True),
    ],
)
def test_an_unconfirmed_message_is_explained_only_by_what_concerned_its_attempt(fault: str, explains: bool) -> None:
    evidence = _evidence(*_LOST.split("; "), f"INSERT INTO faults VALUES ({fault})")

    assert ("I16" not in _violated(evidence)) == explains


@pytest.mark.parametrize(
    ("code", "fault", "silent", "lost"),
    [
        ("'no_reply'", "'provider', 'hang_before', 10.5, 11.5, 1, NULL", 1, 0),
        ("'http_500'", "'provider', '500_before', 10.5, 11.5, 1, NULL", 1, 0),
        ("'no_reply'", "'provider', '429', 10.5, 11.5, 1, NULL", 0, 0),
        ("'no_reply'", "'provider', 'hang_before', 10.5, 11.5, 0, NULL", 0, 0),
        ("'no_reply'", "'cut', 'worker→sandbox', 12, 12, 1, NULL", 0, 0),
        ("NULL", "'kill', 'worker', 12, 12, 1, 7", 0, 1),
        ("NULL", "'provider', 'hang_before', 10.5, 11.5, 1, NULL", 0, 1),
    ],
)
def test_who_kept_silent_about_an_unconfirmed_message_is_counted(code: str, fault: str, silent: int, lost: int) -> None:
    evidence = _evidence(
        *_LOST.split("; "), f"UPDATE attempts SET code = {code}", f"INSERT INTO faults VALUES ({fault})"
    )

    found = figures(evidence.database)

    assert (found.unconfirmed, found.unconfirmed_others) == (1, 1)
    assert (found.unconfirmed_silent, found.unconfirmed_lost) == (silent, lost)


def test_one_repetition_on_evidence_is_allowed_where_it_was_asked_for() -> None:
    assert "I2'" not in _violated(_evidence(*_RESENT.split("; ")))


def test_what_does_not_exist_yet_or_did_not_happen_is_never_called_kept() -> None:
    evidence = _evidence("DELETE FROM faults")

    unjudged = {judged.id for judged in judge(evidence.database) if judged.violations is None}

    assert unjudged == {"I2'", "I11", "I15"}
    assert {invariant.id for invariant in INVARIANTS if invariant.absent} == {"I15"}
