"""Descriptions of provider accounts, senders, routing rules and the key in use."""

from typing import Final

_NAME = "A name for people."
_EXTERNAL = "The provider's id for it."
_TOKEN = "The provider's access token (Meta: a system user's). Kept encrypted, never shown again."  # noqa: S105
_SECRETS = "Secrets that webhooks are signed with (Meta: the app secret). While one is rotated, any of them verifies."
_VERIFY = "A word of your choice that the provider repeats when it checks the webhook URL."
_PER_SECOND = "How many messages a second the provider lets this sender send."
_RANK = "The lowest is preferred when no routing rule decides."

CONFIGURATION: Final = {
    "ProviderAccount.id": "The account's id.",
    "ProviderAccount.provider": "The provider's name.",
    "ProviderAccount.name": _NAME,
    "ProviderAccount.external_id": "The provider's id (Meta: the WhatsApp Business Account id).",
    "ProviderAccount.status": "Whether it is used.",
    "ProviderAccount.webhook_url": "What to enter at the provider as callback URL.",
    "NewProviderAccount.provider": "Which provider it is.",
    "NewProviderAccount.name": _NAME,
    "NewProviderAccount.external_id": "The provider's id (Meta: the WhatsApp Business Account id).",
    "NewProviderAccount.access_token": _TOKEN,
    "NewProviderAccount.app_secrets": _SECRETS,
    "NewProviderAccount.verify_token": _VERIFY,
    "ProviderAccountChange.name": _NAME,
    "ProviderAccountChange.status": "Whether it is used.",
    "ProviderAccountChange.access_token": _TOKEN,
    "ProviderAccountChange.app_secrets": _SECRETS,
    "ProviderAccountChange.verify_token": _VERIFY,
    "Sender.id": "The sender's id.",
    "Sender.account_id": "The provider account it belongs to.",
    "Sender.external_id": _EXTERNAL,
    "Sender.address": "What recipients see.",
    "Sender.name": _NAME,
    "Sender.status": "Whether it may send.",
    "Sender.per_second": _PER_SECOND,
    "Sender.rank": _RANK,
    "Sender.health": "Whether messages leave from it; null while that cannot be told.",
    "NewSender.account_id": "The provider account it belongs to.",
    "NewSender.channel": "The channel it sends on.",
    "NewSender.external_id": "The provider's id for it (Meta: the phone-number id).",
    "NewSender.address": "What recipients see: the number in E.164 form, or the address.",
    "NewSender.name": _NAME,
    "NewSender.per_second": _PER_SECOND,
    "NewSender.rank": _RANK,
    "SenderChange.name": _NAME,
    "SenderChange.status": "Whether it may send. Paused, it sends nothing until it is active again.",
    "SenderChange.per_second": _PER_SECOND,
    "SenderChange.rank": _RANK,
    "SenderHealth.state": "Whether messages leave; `closed` is the good state.",
    "SenderHealth.scope": "Where the cause lies; null while nothing is wrong.",
    "SenderHealth.reason": "What is wrong; null while nothing is.",
    "SenderHealth.code": "The provider's code for it.",
    "SenderHealth.since": "Since when messages wait.",
    "SenderHealth.retry_at": "When it is tried next; nothing leaves before.",
    "SenderHealth.rate_factor": "The part of `per_second` in use, below 1 after the provider complained about speed.",
    "RoutingRules.data": "The rules in the order in which they are tried.",
    "RoutingRule.id": "The rule's id.",
    "RoutingRule.sender_id": "The sender that takes the messages.",
    "RoutingRule.prefixes": "Beginnings of numbers, such as `+55`; none: every recipient of the channel.",
    "NewRoutingRule.sender_id": "The sender that takes the messages.",
    "NewRoutingRule.prefixes": "Beginnings of numbers, such as `+55`; none: every recipient of the channel.",
    "RoutingRulesChange.rules": "All rules of the key's mode, in the order in which they are to be tried.",
    "KeyIdentity.tenant_id": "The tenant the key belongs to.",
    "KeyIdentity.tenant_name": "That tenant's name.",
    "KeyIdentity.key_id": "The key's id.",
    "KeyIdentity.role": "What the key may do.",
}
