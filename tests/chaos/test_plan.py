"""Is a storm decided by its seed, and does it leave nothing out?"""

from messaging.entrypoints.lab.chaos.storm.links import WORKERS, Links
from messaging.entrypoints.lab.chaos.storm.plan import Planned, Storm, draw
from messaging.entrypoints.lab.chaos.storm.recipients import tail_of
from messaging.entrypoints.lab.dev.processes.ports import Ports
from messaging.entrypoints.sandbox.core.fates.outcomes import MAGIC

_PORTS = Ports(api=1, webhooks=2, sandbox=3, worker=4, postgres=5, redis=6)
_LINKS = sorted(Links(_PORTS).proxies)


def _storm(seed: int = 5, *, messages: int = 2_000, faults: int = 60, focus: str | None = None) -> Storm:
    return draw(messages=messages, faults=faults, seed=seed, links=_LINKS, focus=focus)


def test_the_same_seed_gives_the_same_storm() -> None:
    assert _storm(5) == _storm(5)
    assert _storm(5) != _storm(6)


def test_a_storm_over_several_channels_has_messages_of_each_and_leaves_that_over_one_as_it_is() -> None:
    def by(*channels: str) -> list[Planned]:
        storm = draw(messages=600, faults=0, seed=5, links=_LINKS, channels=channels)
        return [planned for call in storm.calls for planned in call.messages]

    all_three = by("whatsapp", "sms", "email")

    assert by("whatsapp") == [planned for call in _storm(messages=600, faults=0).calls for planned in call.messages]
    for channel in ("whatsapp", "sms", "email"):
        theirs = [planned for planned in all_three if planned.channel == channel]
        assert len(theirs) > 100
        assert all(("@" in planned.to) == (channel == "email") for planned in theirs)
        assert {tail_of(planned.to)[:5] for planned in theirs} > {MAGIC}


def test_workers_reach_the_mail_server_at_an_address_of_their_own_each() -> None:
    links = Links(_PORTS, mail=True)

    hosts = {links.proxies[f"{worker}→{called}"].host for worker in WORKERS for called in ("sandbox", "mail")}

    assert len(hosts) == len(WORKERS)
    assert links.proxies["worker→mail"].host == links.proxies["worker→sandbox"].host


def test_every_message_is_asked_for_once_under_a_key_of_its_own() -> None:
    storm = _storm(messages=2_000)

    references = [planned.reference for call in storm.calls for planned in call.messages]

    assert len(references) == len(set(references)) == 2_000
    assert len({call.key for call in storm.calls}) == len(storm.calls)
    assert len({planned.to for call in storm.calls for planned in call.messages}) == 2_000


def test_calls_and_faults_fall_within_the_storm_in_order() -> None:
    storm = _storm()

    for moments in ([call.at for call in storm.calls], [fault.at for fault in storm.faults]):
        assert moments == sorted(moments)
        assert moments[0] >= 0
        assert moments[-1] <= storm.seconds


def test_a_short_storm_has_a_fault_of_every_family() -> None:
    for seed in range(20):
        kinds = {fault.kind for fault in _storm(seed, faults=6).faults}

        assert kinds & {"kill", "terminate", "freeze"}
        assert kinds & {"cut", "limit", "delay", "swallow", "refuse", "half_close"}
        assert kinds & {"flush", "kill_redis"}
        assert {"stop_database", "provider", "webhooks"} <= kinds


def test_a_long_storm_hits_every_process_and_every_link() -> None:
    faults = _storm(faults=400).faults

    targets = {fault.target for fault in faults}

    assert targets >= {"worker", "worker-2", "api", "webhooks", "postgres", "redis", *_LINKS}


def test_a_focus_makes_half_of_the_faults_of_one_kind() -> None:
    kinds = [fault.kind for fault in _storm(faults=20, focus="stop_database").faults]

    assert kinds.count("stop_database") >= 10
