"""How long is a suspect left to the worker that found it?"""

from datetime import timedelta

import pytest

from messaging.application.messages.delivering.isolate_poison import isolation_lease


@pytest.mark.parametrize("lease", [timedelta(seconds=1.5), timedelta(seconds=3), timedelta(seconds=35)])
def test_the_innocent_are_due_again_before_the_culprit(lease: timedelta) -> None:
    assert timedelta(0) < isolation_lease(lease) < lease


def test_a_long_lease_does_not_make_them_wait_long() -> None:
    assert isolation_lease(timedelta(minutes=5)) == timedelta(seconds=2)
