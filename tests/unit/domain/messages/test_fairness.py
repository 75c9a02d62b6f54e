"""Are places shared fairly, whatever the batch, and is nobody forgotten?"""

from collections import Counter
from collections.abc import Mapping
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from messaging.domain.messages.pacing.fairness import NO_FLOW, FairShares, Flow
from messaging.domain.shared.ids import SenderId, TenantId


def flow(tenant: int, sender: int = 1, flow: int = 0) -> Flow:
    """Senders' ids are a tenant's own, as in life."""
    return Flow(TenantId(UUID(int=tenant)), SenderId(UUID(int=tenant * 1_000 + sender)), UUID(int=flow))


def jain(served: Mapping[Flow, int], flows: list[Flow]) -> float:
    counts = [served[each] for each in flows]
    return sum(counts) ** 2 / (len(counts) * sum(count**2 for count in counts))


batches = st.lists(st.integers(1, 100), min_size=1, max_size=40)
backlogs = st.dictionaries(
    st.builds(flow, st.integers(1, 6), st.integers(1, 3), st.integers(0, 3)), st.integers(0, 60), max_size=30
)


@given(st.integers(2, 40), batches)
def test_equal_tenants_are_served_equally_under_any_batch_sizes(tenants: int, sizes: list[int]) -> None:
    flows = [flow(tenant) for tenant in range(1, tenants + 1)]
    shares, served = FairShares(), Counter[Flow]()

    for concurrency in [*sizes, *[tenants] * 10]:
        served.update(shares.share(dict.fromkeys(flows, 1_000), concurrency))

    assert jain(served, flows) >= 0.98
    assert max(served.values()) - min(served.values()) <= 2


@given(backlogs, st.integers(0, 100))
def test_all_places_are_used_while_anybody_waits_and_nobody_gets_more_than_it_has(
    waiting: dict[Flow, int], concurrency: int
) -> None:
    shares = FairShares().share(waiting, concurrency)

    assert sum(shares.values()) == min(concurrency, sum(waiting.values()))
    assert all(0 < count <= waiting[each] for each, count in shares.items())


@given(st.lists(backlogs, min_size=1, max_size=30), st.integers(1, 20))
def test_nobody_is_ever_owed_more_than_one_message(rounds: list[dict[Flow, int]], concurrency: int) -> None:
    shares = FairShares()

    for waiting in rounds:
        shares.share(waiting, concurrency)

    assert all(abs(deficit) <= 1 for deficit in shares._deficits.values())


@given(st.integers(1, 30), st.integers(1, 8))
def test_everybody_is_served_within_one_turn_of_all(tenants: int, concurrency: int) -> None:
    waiting = {flow(tenant): 1_000 for tenant in range(1, tenants + 1)}
    shares, served = FairShares(), Counter[Flow]()

    for _ in range(-(-tenants // concurrency) + 1):
        served.update(shares.share(waiting, concurrency))

    assert set(served) == set(waiting)


def test_a_tenant_with_more_senders_and_campaigns_gets_no_more_than_one_with_a_single_one() -> None:
    many = [flow(1, sender, campaign) for sender in range(4) for campaign in range(5)]
    shares = FairShares().share(dict.fromkeys([*many, flow(2)], 1_000), 40)

    assert shares[flow(2)] == 20
    assert all(shares[each] == 1 for each in many)


def test_senders_of_a_tenant_share_equally_whatever_their_campaigns() -> None:
    one_by_one, shares = Counter[SenderId](), FairShares()
    waiting = dict.fromkeys([flow(1, 1, 1), flow(1, 1, 2), flow(1, 2, 3)], 1_000)

    for _ in range(40):
        one_by_one.update(each.sender_id for each in shares.share(waiting, 1))

    assert one_by_one == {flow(1, 1).sender_id: 20, flow(1, 2).sender_id: 20}


def test_what_a_slow_sender_cannot_use_goes_to_the_others() -> None:
    slow, quick = flow(1), flow(2)

    shares = FairShares().share({slow: 1_000, quick: 1_000}, 50, at_most={slow.sender_id: 4})

    assert shares == {slow: 4, quick: 46}


def test_who_comes_back_is_not_owed_for_the_time_away() -> None:
    shares = FairShares()
    for _ in range(10):
        shares.share({flow(1): 100}, 10)

    back = shares.share({flow(1): 100, flow(2): 100}, 10)

    assert back == {flow(1): 5, flow(2): 5}


def test_who_got_all_it_wanted_is_owed_nothing_more() -> None:
    small, large = flow(1), flow(2)
    shares = FairShares()
    assert shares.share({small: 1, large: 50}, 4) == {small: 1, large: 3}

    assert shares.share({small: 50, large: 50}, 2) == {small: 1, large: 1}


def test_messages_of_no_campaign_are_a_flow_like_others() -> None:
    assert FairShares().share({flow(1, 1, NO_FLOW.int): 5, flow(1, 1, 7): 5}, 4) == {flow(1, 1): 2, flow(1, 1, 7): 2}
