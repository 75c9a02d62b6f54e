"""A tenant's remembered configuration shows a key what is of its own mode."""

from uuid import UUID

from messaging.domain.channels.address import Channel
from messaging.domain.shared.ids import AccountId, SenderId
from messaging.domain.shared.mode import Mode
from messaging.domain.tenants.tenant import AccountStatus
from tests.builders import ACCOUNT, SENDER, a_rule, a_sender, a_snapshot, a_template, an_account

TEST_ACCOUNT, TEST_SENDER = AccountId(UUID(int=1)), SenderId(UUID(int=2))
SNAPSHOT = a_snapshot(
    accounts=(an_account(), an_account(id=TEST_ACCOUNT, mode=Mode.TEST)),
    senders=(a_sender(), a_sender(id=TEST_SENDER, account_id=TEST_ACCOUNT, mode=Mode.TEST)),
    templates=(a_template(), a_template(account_id=TEST_ACCOUNT)),
    rules=(a_rule(), a_rule(sender_id=TEST_SENDER)),
)


def test_each_mode_has_its_own_senders_templates_and_rules() -> None:
    for mode, account, sender in ((Mode.LIVE, ACCOUNT, SENDER), (Mode.TEST, TEST_ACCOUNT, TEST_SENDER)):
        seen = SNAPSHOT.in_mode(mode)

        assert [found.id for found in seen.routable] == [sender]
        assert set(seen.by_account) == {account}
        assert [rule.sender_id for rule in seen.rules] == [sender]


def test_senders_of_disabled_accounts_send_nothing() -> None:
    disabled = a_snapshot(accounts=(an_account(status=AccountStatus.DISABLED),))

    assert disabled.in_mode(Mode.LIVE).routable == ()


def test_senders_on_channels_that_their_provider_does_not_carry_send_nothing() -> None:
    for channel, routable in ((Channel.WHATSAPP, (a_sender(),)), (Channel.SMS, ())):
        carrying = a_snapshot(carried={"whatsapp_cloud": frozenset({channel})})

        assert carrying.in_mode(Mode.LIVE).routable == routable
        assert carrying.channels == {channel}
    assert a_snapshot(carried={}).in_mode(Mode.LIVE).routable == ()
    assert a_snapshot().in_mode(Mode.LIVE).routable == (a_sender(),)
