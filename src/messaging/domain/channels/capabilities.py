"""Facts that a provider can prove about a message, from which follows what may be done about an unclear send."""

from datetime import timedelta

from msgspec import Struct


class Capabilities(Struct, frozen=True, kw_only=True):
    """Each is False unless the provider's documentation, or a recorded answer, shows it.

    `echoes_reference`: its receipts carry our reference, also when the answer to the send was lost.
    `takes_idempotency_key`: a repeated request with the same key sends nothing twice, for `key_lasts` after the first.
    `can_look_up`: it tells the receipts of one message by its own id.
    `can_find`: it tells whether it has a message whose id is not known.
    `reviews_templates`: templates are reviewed and stored by it.
    `holds_media`: files can be uploaded to it and sent by their id.
    `confirms_delivery`: its receipts tell that a message was delivered; without them `sent` is the last word.
    """

    echoes_reference: bool = False
    takes_idempotency_key: bool = False
    key_lasts: timedelta = timedelta(hours=1)
    can_look_up: bool = False
    can_find: bool = False
    reviews_templates: bool = False
    holds_media: bool = False
    confirms_delivery: bool = False
