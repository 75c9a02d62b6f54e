"""The row of e-mail in the table of channels."""

from datetime import timedelta
from typing import Final

from messaging.domain.channels.address import EMAIL_ADDRESS, Channel
from messaging.domain.channels.rules import ChannelRules
from messaging.domain.content.content import TemplateMessage
from messaging.domain.content.content_rules import templates
from messaging.domain.shared.category import Category

EMAIL: Final = ChannelRules(
    channel=Channel.EMAIL,
    addresses=(EMAIL_ADDRESS,),
    contents={TemplateMessage: templates},
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
