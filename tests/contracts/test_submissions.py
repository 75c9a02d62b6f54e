"""Does accepting messages mean the same to the fake and to Postgres?"""

import pytest

from messaging.adapters.postgres.messages.submissions import PostgresSubmissions
from messaging.adapters.postgres.session.engine import Engines
from messaging.application.ports.submissions import Acceptance, Fingerprint, KeyReused, Replayed, Stored, Submissions
from messaging.domain.shared.mode import Mode
from tests.builders import OTHER_TENANT, TENANT
from tests.fakes.submissions import InMemorySubmissions
from tests.seeding import (
    OTHER_ACCOUNT,
    OTHER_SENDER,
    OTHER_TEMPLATE,
    a_claim,
    a_new_message,
    an_acceptance,
    seed_other_tenant,
    seed_tenant,
)

ANSWER = Replayed(status=202, body=b'{"id":"msg_1"}')


@pytest.fixture(params=["in_memory", "postgres"])
async def submissions(request: pytest.FixtureRequest, engines: Engines) -> Submissions:
    if request.param == "in_memory":
        return InMemorySubmissions()
    await seed_tenant(engines)
    await seed_other_tenant(engines)
    return PostgresSubmissions(engines.app)


def of_the_other_tenant(key: str | None = None) -> Acceptance:
    new = a_new_message(
        tenant_id=OTHER_TENANT, account_id=OTHER_ACCOUNT, sender_id=OTHER_SENDER, template_id=OTHER_TEMPLATE
    )
    return an_acceptance(new, tenant_id=OTHER_TENANT, idempotency=None if key is None else a_claim(key))


async def test_an_empty_batch_has_no_outcomes(submissions: Submissions) -> None:
    assert list(await submissions.accept_many([])) == []


async def test_messages_without_a_key_are_stored_each_time(submissions: Submissions) -> None:
    outcomes = await submissions.accept_many([an_acceptance(), an_acceptance(a_new_message(), a_new_message())])

    assert outcomes == [Stored(), Stored()]


async def test_a_repeated_request_is_answered_as_the_first_was(submissions: Submissions) -> None:
    first = await submissions.accept_many([an_acceptance(idempotency=a_claim())])
    again = await submissions.accept_many([an_acceptance(idempotency=a_claim(body=b"never seen"))])

    assert (first, again) == ([Stored()], [ANSWER])


async def test_a_key_used_with_another_request_is_refused(submissions: Submissions) -> None:
    await submissions.accept_many([an_acceptance(idempotency=a_claim())])

    again = await submissions.accept_many(
        [an_acceptance(idempotency=a_claim(fingerprint=Fingerprint(b"another", b"another")))]
    )

    assert again == [KeyReused()]


async def test_the_same_key_twice_in_a_batch_is_judged_by_the_first(submissions: Submissions) -> None:
    outcomes = await submissions.accept_many(
        [
            an_acceptance(idempotency=a_claim()),
            an_acceptance(idempotency=a_claim()),
            an_acceptance(idempotency=a_claim(fingerprint=Fingerprint(b"another", b"another"))),
            an_acceptance(idempotency=a_claim("another-key")),
            an_acceptance(),
        ]
    )

    assert outcomes == [Stored(), ANSWER, KeyReused(), Stored(), Stored()]


async def test_two_tenants_may_use_the_same_key(submissions: Submissions) -> None:
    outcomes = await submissions.accept_many(
        [of_the_other_tenant("k"), an_acceptance(idempotency=a_claim("k")), of_the_other_tenant("k")]
    )

    assert outcomes == [Stored(), Stored(), ANSWER]


@pytest.mark.parametrize("key", [None, "order-1042"])
async def test_the_very_same_call_again_after_a_lost_reply_is_stored(submissions: Submissions, key: str | None) -> None:
    call = an_acceptance(idempotency=None if key is None else a_claim(key))
    other = an_acceptance()
    await submissions.accept_many([call])

    again = await submissions.accept_many([other, call])

    assert again == [Stored(), Stored()]


async def test_outcomes_stand_in_the_order_of_the_batch(submissions: Submissions) -> None:
    await submissions.accept_many([an_acceptance(idempotency=a_claim("b"))])
    batch = [an_acceptance(tenant_id=TENANT, idempotency=a_claim(key)) for key in ("c", "b", "a")]

    assert await submissions.accept_many(batch) == [Stored(), ANSWER, Stored()]


async def test_a_key_can_be_asked_about_without_claiming_it(submissions: Submissions) -> None:
    claim = a_claim("order-1042")
    assert await submissions.known(TENANT, Mode.LIVE, "order-1042", claim.fingerprint) is None

    await submissions.accept_many([an_acceptance(idempotency=claim)])

    assert await submissions.known(TENANT, Mode.LIVE, "order-1042", claim.fingerprint) == ANSWER
    assert await submissions.known(TENANT, Mode.LIVE, "order-1042", Fingerprint(b"another", b"another")) == KeyReused()


async def test_a_key_used_live_and_in_test_is_two_keys(submissions: Submissions) -> None:
    live, test = a_claim(body=b"live"), a_claim(body=b"test")
    batch = [
        an_acceptance(idempotency=live),
        an_acceptance(a_new_message(mode=Mode.TEST), mode=Mode.TEST, idempotency=test),
    ]

    assert await submissions.accept_many(batch) == [Stored(), Stored()]
    assert await submissions.known(TENANT, Mode.LIVE, live.key, live.fingerprint) == Replayed(status=202, body=b"live")
    assert await submissions.known(TENANT, Mode.TEST, test.key, test.fingerprint) == Replayed(status=202, body=b"test")


async def test_a_record_of_the_version_before_is_recognised_by_its_plain_digest(submissions: Submissions) -> None:
    await submissions.accept_many([an_acceptance(idempotency=a_claim(fingerprint=Fingerprint(b"digest", b"digest")))])

    again = await submissions.accept_many(
        [an_acceptance(idempotency=a_claim(fingerprint=Fingerprint(b"k", b"digest")))]
    )

    assert again == [ANSWER]
