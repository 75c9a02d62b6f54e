"""Descriptions of tenants, their limits and their keys, as the platform's administrators see them."""

from typing import Final

_NAME = "A name for people."
_LIMIT = {
    "tenant": "All messages of the tenant together.",
    "key": "The messages of each key by itself.",
    "channels": "Messages of a channel, by the channel's name.",
    "categories": "Messages of a category, by the category's name.",
}
_UNCLEAR = {
    "default": "For every category that is not named; null: `hold`.",
    "categories": "By category, by the category's name.",
}
_KEY = {
    "id": "The key's id.",
    "name": _NAME,
    "role": "Which operations it opens.",
    "hint": "The key's public beginning: enough to recognise it in a list or a leaked file.",
    "expires_at": "When it stops working; null where never.",
}
_ADMIN_KEY = {name: text for name, text in _KEY.items() if name != "role"}

ADMINISTRATION: Final = {
    "Tenant.id": "The tenant's id.",
    "Tenant.name": _NAME,
    "Tenant.status": "Whether its keys work.",
    "Tenant.limits": "How much it may submit; null while the platform's defaults apply.",
    "Tenant.on_unknown": "What the tenant chose for its unclear sends, by mode.",
    "TenantUnclearChoices.live": "For messages of live keys; null while nothing is chosen.",
    "TenantUnclearChoices.test": "For messages of test keys; null while nothing is chosen.",
    **{f"UnclearChoices.{name}": text for name, text in _UNCLEAR.items()},
    "Settings.on_unknown": "What happens to unclear sends whose message and template choose nothing themselves.",
    "NewTenant.name": _NAME,
    "TenantChange.name": _NAME,
    "TenantChange.status": "Whether its keys work.",
    "TenantChange.limits": "How much it may submit; replaces all limits. Null: the platform's defaults.",
    **{f"TenantLimits.{name}": text for name, text in _LIMIT.items()},
    **{f"TenantLimitsChange.{name}": text for name, text in _LIMIT.items()},
    "Quota.messages": "How many messages.",
    "Quota.seconds": "In a window of how many seconds; it begins with the first message after the last window.",
    "QuotaChange.messages": "How many messages.",
    "QuotaChange.seconds": "In a window of how many seconds.",
    **{f"Key.{name}": text for name, text in _KEY.items()},
    **{f"IssuedKey.{name}": text for name, text in _KEY.items()},
    "Key.revoked_at": "When it was revoked; null while it works.",
    "IssuedKey.key": "The key itself. It is shown this once and cannot be recovered.",
    **{f"AdminKey.{name}": text for name, text in _ADMIN_KEY.items()},
    **{f"IssuedAdminKey.{name}": text for name, text in _ADMIN_KEY.items()},
    **{f"RotatedAdminKey.{name}": text for name, text in _ADMIN_KEY.items()},
    "AdminKey.revoked_at": "When it was revoked; null where it was not.",
    "IssuedAdminKey.revoked_at": "Null: it is new.",
    "RotatedAdminKey.revoked_at": "Null: it is new.",
    "IssuedAdminKey.key": "The key itself. It is shown this once and cannot be recovered.",
    "RotatedAdminKey.key": "The key itself. It is shown this once and cannot be recovered.",
    "RotatedAdminKey.replaces": "The key it takes the place of; it works until its `expires_at`.",
    "NewAdminKey.name": "Whose key, or what it is for.",
    "NewAdminKey.expires_at": "When it stops working, RFC 3339 with an offset; left out: never.",
    "AdminKeyRevocation.force": "Do it although administrators could lock themselves out.",
    "AdminKeyRotation.overlap_seconds": "How many seconds the old key still works; at most 30 days.",
    "AdminKeyRotation.expires_at": "When the new key stops working, RFC 3339 with an offset; left out: never.",
    "AdminKeyRotation.force": "Do it although administrators could lock themselves out.",
    "NewKey.name": _NAME,
    "NewKey.mode": "`live` keys reach people, `test` keys the sandbox provider.",
    "NewKey.role": "Which operations it opens.",
    "NewKey.expires_at": "When it stops working, RFC 3339 with an offset; left out: never.",
}
