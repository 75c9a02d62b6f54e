"""The row of SMS in the table of channels. Pictures and files by link go as MMS."""

from datetime import timedelta
from typing import Final

from messaging.domain.channels.address import PHONE, Channel
from messaging.domain.channels.addresses import senders
from messaging.domain.channels.rules import ChannelRules
from messaging.domain.content.content import Document, Image, TemplateMessage, Text
from messaging.domain.content.content_rules import documents, images, templates, texts
from messaging.domain.content.segments import count_segments
from messaging.domain.shared.category import Category

# UTF-16 units: what the large providers take for one message, which is 11 segments of GSM-7 or 24 of UCS-2.
MAX_TEXT: Final = 1600

SMS: Final = ChannelRules(
    channel=Channel.SMS,
    addresses=(PHONE,),
    contents={
        Text: texts(MAX_TEXT),
        TemplateMessage: templates,
        Image: images(caption=MAX_TEXT, uploads=False),
        Document: documents(caption=MAX_TEXT, uploads=False),
    },
    # The short code comes first: its digits are too few for a phone number.
    senders=(senders.SHORT_CODE, senders.PHONE, senders.NAME),
    segments=count_segments,
    # A code is worthless when late, and the next one is asked for within minutes.
    validity={Category.AUTHENTICATION: timedelta(minutes=10)},
    # Networks report within seconds or not for hours; a text of a campaign may wait for the night.
    echo_grace={
        Category.AUTHENTICATION: timedelta(minutes=5),
        Category.UTILITY: timedelta(minutes=15),
        Category.MARKETING: timedelta(hours=24),
        Category.SERVICE: timedelta(minutes=5),
    },
)
