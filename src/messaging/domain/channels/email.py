"""The row of e-mail in the table of channels."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from messaging.domain.channels.address import EMAIL_ADDRESS, Channel
from messaging.domain.channels.addresses import senders
from messaging.domain.channels.addresses.mailbox import Mailbox, read_mailbox
from messaging.domain.channels.rules import ChannelRules
from messaging.domain.content.content import TemplateMessage
from messaging.domain.content.content_rules import templates
from messaging.domain.content.email import Email
from messaging.domain.content.email_rules import email_violations
from messaging.domain.shared.category import Category
from messaging.domain.shared.errors import Violation


def _mails(email: Email) -> Sequence[Violation]:
    """The rule for mails; pointers are relative to the content."""
    found = email_violations(email)
    if email.reply_to is None or isinstance(read := read_mailbox(email.reply_to), Mailbox):
        return found
    return [*found, Violation(pointer="/reply_to", code=read.code, detail=read.detail)]


EMAIL: Final = ChannelRules(
    channel=Channel.EMAIL,
    addresses=(EMAIL_ADDRESS,),
    contents={Email: _mails, TemplateMessage: templates},
    senders=(senders.MAILBOX,),
    # Greylisting makes a first mail to a server wait for 5 to 15 minutes, so a code is good for longer than elsewhere.
    validity={Category.AUTHENTICATION: timedelta(minutes=30)},
    # Servers report late, or not at all.
    echo_grace={
        Category.AUTHENTICATION: timedelta(minutes=15),
        Category.UTILITY: timedelta(hours=1),
        Category.MARKETING: timedelta(hours=24),
        Category.SERVICE: timedelta(minutes=30),
    },
)
