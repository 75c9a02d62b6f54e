"""The table of which roles of a tenant's keys may call which operation; nothing else decides it."""

from collections.abc import Set as AbstractSet
from typing import Final

from messaging.domain.tenants.tenant import MANAGES_ACCOUNTS, KeyRole

_OWNER: Final = frozenset({KeyRole.OWNER})
_OPERATORS: Final = frozenset({KeyRole.OWNER, KeyRole.OPERATOR})
_SENDERS: Final = frozenset({KeyRole.OWNER, KeyRole.SENDER})
_READERS: Final = frozenset({KeyRole.OWNER, KeyRole.OPERATOR, KeyRole.READER})
_WORKERS: Final = frozenset({KeyRole.OWNER, KeyRole.OPERATOR, KeyRole.SENDER})
_EVERYONE: Final = frozenset(KeyRole)

# Roles by operation id. Whoever sends may see what can be sent and what became of it, and nothing else.
ROLES: Final[dict[str, AbstractSet[KeyRole]]] = {
    "submit_message": _SENDERS,
    "submit_batch": _SENDERS,
    "check_message": _SENDERS,
    "list_messages": _EVERYONE,
    "summarize_messages": _EVERYONE,
    "get_message": _EVERYONE,
    "list_message_events": _EVERYONE,
    "get_message_trace": _EVERYONE,
    "cancel_message": _WORKERS,
    "retry_message": _OPERATORS,
    "list_dead_letters": _READERS,
    "get_dead_letter": _READERS,
    "retry_dead_letter": _OPERATORS,
    "discard_dead_letter": _OPERATORS,
    "act_on_messages": _OPERATORS,
    "list_inbound_messages": _READERS,
    "list_provider_events": _READERS,
    "get_provider_event": _READERS,
    "list_events": _READERS,
    "get_event": _READERS,
    "list_event_deliveries": _READERS,
    "replay_event": _OPERATORS,
    "list_callback_attempts": _READERS,
    "get_callback_endpoint_health": _READERS,
    "pause_callback_endpoint": MANAGES_ACCOUNTS,
    "resume_callback_endpoint": MANAGES_ACCOUNTS,
    "enable_callback_endpoint": MANAGES_ACCOUNTS,
    "create_callback_endpoint": _OWNER,
    "list_callback_endpoints": _READERS,
    "get_callback_endpoint": _READERS,
    "change_callback_endpoint": _OWNER,
    "delete_callback_endpoint": _OWNER,
    "rotate_callback_secret": _OWNER,
    "revoke_previous_callback_secret": _OWNER,
    "send_callback_test": _OWNER,
    "list_event_types": _EVERYONE,
    "create_template": _OWNER,
    "list_templates": _EVERYONE,
    "get_template": _EVERYONE,
    "sync_templates": _OWNER,
    "change_template": _OWNER,
    "create_own_template": _OWNER,
    "list_own_templates": _EVERYONE,
    "get_own_template": _EVERYONE,
    "write_own_template_draft": _OWNER,
    "publish_own_template": _OWNER,
    "archive_own_template": _OWNER,
    "preview_own_template": _SENDERS,
    "list_own_template_versions": _EVERYONE,
    "get_own_template_version": _EVERYONE,
    "add_sender": _OWNER,
    "list_senders": _EVERYONE,
    "get_sender": _EVERYONE,
    "change_sender": _OWNER,
    "list_routing_rules": _READERS,
    "replace_routing_rules": _OWNER,
    "connect_provider_account": MANAGES_ACCOUNTS,
    "verify_provider_account": MANAGES_ACCOUNTS,
    "delete_provider_account": MANAGES_ACCOUNTS,
    "subscribe_provider_account": MANAGES_ACCOUNTS,
    "register_number": MANAGES_ACCOUNTS,
    "list_provider_accounts": _READERS,
    "get_provider_account": _READERS,
    "change_provider_account": MANAGES_ACCOUNTS,
    "get_key": _EVERYONE,
    "get_own_health": _EVERYONE,
    "get_settings": _READERS,
    "change_settings": _OWNER,
}

OF_MESSAGES: Final = frozenset(
    {
        *("submit_message", "submit_batch", "check_message", "cancel_message", "retry_message"),
        *("retry_dead_letter", "discard_dead_letter", "act_on_messages", "preview_own_template"),
    }
)
"""Operations that change messages, or nothing; all others that are no GET change the tenant's configuration."""


def roles_for(operation_id: str) -> AbstractSet[KeyRole]:
    """The roles that may call an operation. Raises KeyError for one without an entry, so that it stays closed to
    everybody.
    """
    return ROLES[operation_id]
