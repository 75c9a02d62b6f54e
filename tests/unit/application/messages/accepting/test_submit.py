"""What a submission comes to: stored and answered, refused with everything that is wrong, or answered as before."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from messaging.application.contacts.indexes import index_of
from messaging.application.messages.accepting.assess import Unreadable
from messaging.application.messages.accepting.submission_limits import RateLimited
from messaging.application.messages.accepting.submit import IDEMPOTENCY_KEPT_FOR
from messaging.application.messages.reading import payload
from messaging.application.ports.conversations import NewInbound
from messaging.domain.conversations.inbound import InboundKind
from messaging.domain.messages.state import State
from messaging.domain.shared.errors import MAX_LISTED, DomainError, Violation
from messaging.domain.shared.ids import InboundId, MessageId, Prefix, typeid
from messaging.domain.shared.mode import Mode
from messaging.domain.tenants.limits import Quota, SubmissionLimits
from tests.builders import (
    ACCOUNT,
    ANA,
    NOON,
    SENDER,
    TENANT,
    a_principal,
    a_sender,
    a_template_message,
    a_text,
    an_account,
)
from tests.unit.application.messages.accepting.submitting import Submitting, a_submission, view
from tests.unit.application.webhooks.doubles import CIPHER

WRONG = {"to": "nobody", "content": a_template_message(variables={})}
ACCEPTED = "messages_accepted{channel=whatsapp,priority=default}"


def unreadable(count: int = 1) -> Unreadable:
    return Unreadable(
        violations=tuple(Violation(pointer=f"/{number}", code="invalid", detail="Mend it.") for number in range(count))
    )


def heard_from_ana(**changes: timedelta) -> NewInbound:
    return NewInbound(
        id=InboundId(MessageId(TENANT)),
        tenant_id=TENANT,
        account_id=ACCOUNT,
        sender_id=SENDER,
        provider_message_id="wamid.in",
        kind=InboundKind.TEXT,
        contact_indexes=(index_of(CIPHER, ANA.value),),
        sealed=b"",
        opens_window=True,
        occurred_at=NOON - changes.get("ago", timedelta(hours=1)),
    )


async def test_an_accepted_message_is_stored_as_it_is_answered() -> None:
    submitting = Submitting()

    reply = await submitting.one(a_submission(reference="order-1"))

    [acceptance] = submitting.committed
    [new] = acceptance.messages
    id = typeid(Prefix.MESSAGE, new.message.id)
    assert (reply.status, reply.replayed, reply.balances) == (202, False, ())
    assert view(reply) == {
        "id": id,
        "status": "queued",
        "channel": "whatsapp",
        "to": ANA.value,
        "reference": "order-1",
        "created_at": "2026-05-04T12:00:00Z",
        "trace_id": None,
        "links": {"self": f"/v1/messages/{id}", "events": f"/v1/messages/{id}/events"},
    }
    assert (acceptance.tenant_id, acceptance.mode, acceptance.idempotency) == (TENANT, Mode.LIVE, None)
    assert (new.message.state, new.message.sender_id, new.message.created_at) == (State.QUEUED, SENDER, NOON)
    assert new.recipient_index == index_of(CIPHER, ANA.value)
    opened = payload.decode(CIPHER.open(payload.context(new.message.id), new.sealed))
    assert (opened.to, opened.content, opened.metadata) == (ANA, a_template_message(), {})
    assert submitting.counts.seen == {ACCEPTED: 1}
    assert submitting.batches == []


async def test_a_refusal_lists_everything_that_is_wrong_and_stores_nothing() -> None:
    submitting = Submitting()

    with pytest.raises(DomainError) as refused:
        await submitting.one(a_submission(**WRONG))

    assert refused.value.code == "validation_failed"
    pointers = [violation.pointer for violation in refused.value.violations]
    assert pointers == ["/to", "/content/variables/1", "/content/variables/2"]
    assert submitting.committed == []
    codes = {violation.code for violation in refused.value.violations}
    assert submitting.counts.seen.total() == 3
    assert {f"messages_refused{{code={code}}}" for code in codes} == set(submitting.counts.seen)


async def test_of_very_many_violations_one_answer_lists_a_hundred() -> None:
    submitting = Submitting()

    with pytest.raises(DomainError) as refused:
        await submitting.one(unreadable(MAX_LISTED + 5))

    assert len(refused.value.violations) == MAX_LISTED


async def test_a_request_with_a_key_is_answered_once_and_repeated_with_the_same_bytes() -> None:
    submitting = Submitting()

    first = await submitting.one(a_submission(), key="order-1")
    again = await submitting.one(a_submission(), key="order-1")

    claim = submitting.committed[0].idempotency
    assert claim is not None
    assert (claim.key, claim.status, claim.expires_at) == ("order-1", 202, NOON + IDEMPOTENCY_KEPT_FOR)
    assert first.body not in claim.body
    assert (first.replayed, again.replayed) == (False, True)
    assert (again.status, again.body) == (202, first.body)
    assert len(submitting.submissions.messages) == 1
    assert submitting.counts.seen[ACCEPTED] == 1


async def test_a_key_with_another_request_is_refused() -> None:
    submitting = Submitting()
    await submitting.one(a_submission(), key="order-1")

    with pytest.raises(DomainError) as refused:
        await submitting.one(a_submission(reference="another"), key="order-1")

    assert refused.value.code == "idempotency_key_reused"
    assert len(submitting.submissions.messages) == 1


async def test_a_key_whose_first_request_has_not_ended_is_told_to_wait() -> None:
    submitting = Submitting()
    submitting.submissions.in_flight.add("order-1")

    with pytest.raises(DomainError) as refused:
        await submitting.one(a_submission(), key="order-1")

    assert refused.value.code == "request_in_flight"


async def test_what_was_accepted_once_is_answered_as_before_although_it_has_become_invalid() -> None:
    submitting = Submitting()
    first = await submitting.one(a_submission(), key="order-1")
    submitting.snapshots.tenants[TENANT] = replace(submitting.snapshots.tenants[TENANT], senders={})

    again = await submitting.one(a_submission(), key="order-1")

    assert (again.replayed, again.body) == (True, first.body)
    with pytest.raises(DomainError) as new:
        await submitting.one(a_submission(), key="order-2")
    assert new.value.code == "validation_failed"
    with pytest.raises(DomainError) as reused:
        await submitting.one(a_submission(reference="another"), key="order-1")
    assert reused.value.code == "idempotency_key_reused"
    with pytest.raises(DomainError) as unread:
        await submitting.one(unreadable(), key="order-1")
    assert unread.value.code == "validation_failed"


async def test_a_tenant_that_is_gone_has_no_key() -> None:
    submitting = Submitting()
    submitting.snapshots.tenants.clear()

    with pytest.raises(DomainError) as refused:
        await submitting.one(a_submission())

    assert refused.value.code == "unauthorized"


async def test_free_form_content_needs_an_open_window() -> None:
    submitting = Submitting()
    text = a_submission(content=a_text())

    with pytest.raises(DomainError) as closed:
        await submitting.one(text)
    submitting.inbound = [heard_from_ana()]
    reply = await submitting.one(text)

    assert [violation.code for violation in closed.value.violations] == ["window_closed"]
    assert view(reply)["status"] == "queued"
    assert submitting.opened == [(TENANT, Mode.LIVE)] * 2
    submitting.inbound = [heard_from_ana(ago=timedelta(days=2))]
    with pytest.raises(DomainError):
        await submitting.one(text)


async def test_templates_ask_nobody_for_a_window() -> None:
    submitting = Submitting()

    await submitting.one(a_submission())

    assert submitting.opened == []


async def test_a_scheduled_message_waits_for_its_hour() -> None:
    submitting = Submitting()

    reply = await submitting.one(a_submission(send_at=NOON + timedelta(hours=1)))

    [new] = submitting.committed[0].messages
    assert view(reply)["status"] == "scheduled"
    assert (new.message.state, new.message.send_at) == (State.SCHEDULED, NOON + timedelta(hours=1))


async def test_messages_beyond_a_limit_are_refused_and_refusals_count() -> None:
    submitting = Submitting(limits=SubmissionLimits(tenant=Quota(messages=3, seconds=60)))
    reply = await submitting.one(a_submission())
    assert [balance.remaining for balance in reply.balances] == [2]
    with pytest.raises(DomainError) as refused:
        await submitting.one(a_submission(**WRONG))
    assert refused.value.code == "validation_failed"

    batch = await submitting.many(a_submission())
    assert [balance.remaining for balance in batch.balances] == [0]
    for wanted in (a_submission(), a_submission(**WRONG)):
        with pytest.raises(RateLimited):
            await submitting.one(wanted)

    assert len(submitting.submissions.messages) == 2
    assert submitting.counts.seen["messages_refused{code=rate_limited}"] == 2


async def test_each_item_of_a_batch_stands_for_itself() -> None:
    submitting = Submitting(limits=SubmissionLimits(tenant=Quota(messages=10, seconds=60)))

    reply = await submitting.many(a_submission(), a_submission(**WRONG), a_submission(reference="third"), unreadable())

    [acceptance] = submitting.batches
    assert [new.message.reference for new in acceptance.messages] == [None, "third"]
    assert acceptance.idempotency is None
    found = view(reply)
    assert (reply.status, found["accepted"], found["refused"]) == (202, 2, 2)
    assert [(item["index"], item["status"]) for item in found["data"]] == [
        (0, "accepted"),
        (1, "refused"),
        (2, "accepted"),
        (3, "refused"),
    ]
    assert found["data"][2]["message"]["reference"] == "third"
    assert [error["pointer"] for error in found["data"][1]["errors"]] == [
        "/to",
        "/content/variables/1",
        "/content/variables/2",
    ]
    assert [balance.remaining for balance in reply.balances] == [6]
    assert submitting.counts.seen[ACCEPTED] == 2
    assert submitting.counts.seen["messages_refused{code=invalid}"] == 1


async def test_a_batch_of_refused_items_is_answered_and_kept_only_with_a_key() -> None:
    submitting = Submitting()

    without = await submitting.many(a_submission(**WRONG))
    assert (submitting.batches, without.replayed) == ([], False)
    first = await submitting.many(a_submission(**WRONG), key="batch-1")
    again = await submitting.many(a_submission(**WRONG), key="batch-1")

    assert (without.status, first.status) == (202, 202)
    assert without.body == first.body == again.body
    assert (first.replayed, again.replayed) == (False, True)
    assert view(first)["accepted"] == 0


async def test_a_batch_answer_lists_only_so_many_violations_of_an_item_and_tells_how_many_more() -> None:
    submitting = Submitting()

    reply = await submitting.many(unreadable(25), unreadable(3))

    first, second = view(reply)["data"]
    assert (len(first["errors"]), first["omitted"]) == (20, 5)
    assert (len(second["errors"]), "omitted" in second) == (3, False)


async def test_a_batch_answer_lists_at_least_one_violation_of_every_item() -> None:
    submitting = Submitting()

    reply = await submitting.many(*(unreadable(20) for _ in range(60)))

    listed = [len(item["errors"]) for item in view(reply)["data"]]
    # 1 000 beyond the first of each, at most 20 of one: 52 whole items, a part of the next, then the first of each.
    assert listed == [20] * 52 + [13] + [1] * 7
    assert [item.get("omitted", 0) for item in view(reply)["data"]] == [0] * 52 + [7] + [19] * 7


async def test_a_store_that_fails_accepts_nothing() -> None:
    submitting = Submitting()
    submitting.submissions.fails_with = RuntimeError("the disk is full")

    with pytest.raises(RuntimeError):
        await submitting.one(a_submission())

    assert submitting.counts.seen == {}


async def test_test_keys_submit_in_test_mode_only() -> None:
    live = Submitting()
    with pytest.raises(DomainError):
        await live.one(a_submission(), principal=a_principal(mode=Mode.TEST))
    test = Submitting(accounts=(an_account(mode=Mode.TEST),), senders=(a_sender(mode=Mode.TEST),))

    reply = await test.one(a_submission(), principal=a_principal(mode=Mode.TEST), key="order-1")
    again = await test.one(a_submission(), principal=a_principal(mode=Mode.TEST), key="order-1")

    assert [acceptance.mode for acceptance in test.committed] == [Mode.TEST, Mode.TEST]
    assert again.body == reply.body


async def test_the_key_of_a_tenant_that_is_gone_submits_nothing() -> None:
    submitting = Submitting()

    for submit in (submitting.one, submitting.many):
        submitting.snapshots.tenants.clear()
        with pytest.raises(DomainError) as refused:
            await submit(a_submission())
        assert refused.value.code == "unauthorized"
    assert submitting.committed == []
