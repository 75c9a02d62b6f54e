"""The row of WhatsApp in the table of channels: Meta's rules, which hold whichever provider carries the messages."""

import re
from datetime import timedelta
from typing import Final

from messaging.domain.channels.address import PHONE, AddressKind, Channel, ScopedUser
from messaging.domain.channels.addresses import senders
from messaging.domain.channels.rules import ChannelRules, Window
from messaging.domain.content.content import Document, Image, TemplateMessage, Text
from messaging.domain.content.content_rules import documents, images, templates, texts
from messaging.domain.shared.category import Category

# In UTF-16 units: Meta does not say whether it counts characters or units.
MAX_TEXT: Final = 4096
MAX_CAPTION: Final = 1024
# Meta, "Business-scoped user IDs" (2026-05): country code, a dot, optionally `ENT.`, up to 128 alphanumerics.
_BSUID: Final = re.compile(r"[A-Z]{2}\.(?:ENT\.)?[A-Za-z0-9]{1,128}")


def read_scoped_user(text: str) -> ScopedUser | None:
    """A business-scoped user id (BSUID), which is meaningful only within one business portfolio."""
    return ScopedUser(text) if _BSUID.fullmatch(text) else None


SCOPED_USER: Final = AddressKind(of=ScopedUser, words="a business-scoped user id (US.1349…)", read=read_scoped_user)

WHATSAPP: Final = ChannelRules(
    channel=Channel.WHATSAPP,
    addresses=(PHONE, SCOPED_USER),
    contents={
        Text: texts(MAX_TEXT),
        TemplateMessage: templates,
        Image: images(caption=MAX_CAPTION, uploads=True),
        Document: documents(caption=MAX_CAPTION, uploads=True),
    },
    senders=(senders.PHONE,),
    # The customer service window. Meta refuses a free-form message outside of it with code 131047.
    window=Window(length=timedelta(hours=24), margin=timedelta(minutes=5)),
    # Meta refuses one-tap, zero-tap and copy-code templates sent to a business-scoped user id (code 131062).
    phone_only=frozenset({Category.AUTHENTICATION}),
    # A code is worthless when late: Meta drops one that is undelivered after 10 minutes by default.
    validity={Category.AUTHENTICATION: timedelta(minutes=10)},
    echo_grace={
        Category.AUTHENTICATION: timedelta(minutes=5),
        Category.UTILITY: timedelta(minutes=15),
        Category.MARKETING: timedelta(hours=24),
        Category.SERVICE: timedelta(seconds=60),
    },
)
