"""A bound on the questions that one process puts to providers."""

from time import monotonic

from messaging.domain.shared.ids import AccountId


class CallBudget:
    """At most so many calls an hour for each account, counted in this process alone; a new hour starts at zero."""

    def __init__(self, per_hour: int) -> None:
        self._per_hour = per_hour
        self._spent: dict[AccountId, tuple[int, int]] = {}

    def take(self, account_id: AccountId) -> bool:
        hour = int(monotonic() // 3600)
        began, spent = self._spent.get(account_id, (hour, 0))
        if began != hour:
            spent = 0
        if spent >= self._per_hour:
            return False
        self._spent[account_id] = (hour, spent + 1)
        return True
