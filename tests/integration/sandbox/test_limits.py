"""Do the limits answer as Meta's, and count what they should?"""

from messaging.entrypoints.sandbox.core.settings import Settings
from messaging.entrypoints.sandbox.whatsapp_cloud.limits import PairRate, Throughput, Windows
from messaging.entrypoints.sandbox.whatsapp_cloud.wire.graph_errors import GraphError
from tests.integration.sandbox.business import Business

USER = "+14155557000"


async def test_a_number_above_its_throughput_is_throttled(business: Business) -> None:
    await business.join(
        phone_numbers=[{"id": business.phone_id, "display_phone_number": business.display, "throughput_mps": 2}]
    )
    await business.user_writes(**{"from": USER})

    answers = [await business.send(USER) for _ in range(8)]

    throttled = [answer for answer in answers if answer.status_code == 429]
    assert throttled, "eight sends and one inbound message in one second"
    error = throttled[0].json()["error"]
    assert (error["code"], error["error_subcode"]) == (130429, 2494055)
    assert len(await business.ledger()) == len(answers) - len(throttled)


async def test_a_pair_above_its_rate_is_throttled(business: Business) -> None:
    await business.control("settings", {"pair_burst": 3})
    await business.user_writes(**{"from": USER})
    await business.user_writes(**{"from": "+14155557001"})

    codes = [(await business.send(USER)).status_code for _ in range(4)]
    error = (await business.send(USER)).json()["error"]
    other = await business.send("+14155557001")

    assert codes == [200, 200, 200, 400]
    assert error["code"] == 131056
    assert other.status_code == 200


async def test_both_limits_can_be_switched_off(business: Business) -> None:
    await business.control("settings", {"throughput_mps": None, "pair_limit": False})
    await business.user_writes(**{"from": USER})

    codes = {(await business.send(USER)).status_code for _ in range(90)}

    assert codes == {200}


def test_a_burst_is_paid_off_before_the_next_message() -> None:
    pairs, settings = PairRate(), Settings()

    for _ in range(20):
        pairs.take("1", "2", settings, 1000.0)

    assert refused(pairs, settings, 1006.0)
    assert refused(pairs, settings, 1119.9)
    assert not refused(pairs, settings, 1120.0)


def test_a_steady_pair_is_never_refused() -> None:
    pairs, settings = PairRate(), Settings()

    assert not any(refused(pairs, settings, 1000.0 + 6 * n) for n in range(100))


def test_a_burst_ends_at_forty_five() -> None:
    pairs, settings = PairRate(), Settings()

    passed = sum(not refused(pairs, settings, 1000.0 + n / 20) for n in range(60))

    assert passed == 45


def test_throughput_looks_at_any_one_second() -> None:
    throughput = Throughput()
    for n in range(10):
        throughput.note("1", 10.0, 1000.5 + n / 100)

    assert full(throughput, 1001.4)
    assert not full(throughput, 1001.51)


def test_a_window_closes_after_its_hours() -> None:
    windows = Windows()
    windows.open("1", ("2", "US.3"), 1000.0)
    windows.open("1", ("2",), 500.0)

    assert windows.is_open("1", "2", 24, 1000.0 + 24 * 3600 - 1)
    assert windows.is_open("1", "US.3", 24, 1000.0)
    assert not windows.is_open("1", "2", 24, 1000.0 + 24 * 3600)
    assert not windows.is_open("9", "2", 24, 1000.0)


def refused(pairs: PairRate, settings: Settings, now: float) -> bool:
    try:
        pairs.take("1", "2", settings, now)
    except GraphError as error:
        return error.code == 131056
    return False


def full(throughput: Throughput, now: float) -> bool:
    try:
        throughput.check("1", 10.0, now)
    except GraphError as error:
        return error.code == 130429
    return False
