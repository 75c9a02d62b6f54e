"""An example answer for every schema that an operation returns; a house test converts each to its type."""

from typing import Any, Final, get_args, get_origin

from messaging.entrypoints.api.decoding.cursors import ListView
from messaging.entrypoints.api.reference.delivery_words import DELIVERY_EXAMPLES
from messaging.entrypoints.api.reference.posted.words import CALLBACK_EXAMPLES
from messaging.entrypoints.api.reference.words.administration import INCIDENT_EXAMPLES
from messaging.entrypoints.api.reference.words.messages import OF_A_MESSAGES_WAY, TRACE
from messaging.entrypoints.api.reference.words.names import public_name
from messaging.entrypoints.api.reference.words.templates import OWN_EXAMPLES

_MESSAGE: Final = "msg_01kb6vq1f8e3x9m2s4t5v6w7y8"
_SENDER: Final = "snd_01kb6t0c2de1v8h4m6n7p9q0rs"
_ACCOUNT: Final = "acc_01kb6szv4wf9b3g5h7j8k0m1np"
_TEMPLATE: Final = "tpl_01kb6t4m7xf2c5d8e9g1h3j4k6"
_TENANT: Final = "ten_01kb6srj1yeb0d3f4g6h7j9k2m"
_KEY: Final = "key_01kb6sx8q5f6s9t1v2w4x5y7z8"
_INBOUND: Final = "inb_01kb6w2d9he4r7s8t0v1w3x4y5"
_EVENT: Final = "evt_01kb6w3sa2g6t9v0w2x3y5z7a1"
_RULE: Final = "rul_01kb6t9w3zf1g2h5j6k8m9n0p4"
_AT: Final = "2026-11-29T09:30:00.125000Z"
_LATER: Final = "2026-11-29T09:30:02.480000Z"
_LINKS: Final = {"self": f"/v1/messages/{_MESSAGE}", "events": f"/v1/messages/{_MESSAGE}/events"}
_CONTENT: Final[dict[str, Any]] = {
    "type": "template",
    "name": "order_update",
    "language": "en_US",
    "variables": {"1": "Ana", "2": "A-1042"},
    "header": None,
    "buttons": [],
}
_ACCEPTED: Final = {
    "id": _MESSAGE,
    "status": "queued",
    "channel": "whatsapp",
    "to": "+14155550100",
    "reference": "order-1042",
    "created_at": _AT,
    "trace_id": TRACE,
    "links": _LINKS,
}
_NUMBER_MISSING: Final = {
    "pointer": "/to",
    "code": "country_code_missing",
    "detail": "The number has no country code. Write it as +<country code><number>.",
}
_ISSUED: Final = {
    "id": _KEY,
    "name": "Order service",
    "mode": "live",
    "role": "sender",
    "hint": "mpk_live_7h2kq0v9",
    "created_at": _AT,
    "expires_at": None,
}
_ADMIN_KEY: Final = {
    "id": "key_01kb6sr2m4g1a7b8c9d0e1f2g3",
    "name": "Ana",
    "hint": "mpk_admin_k3yfzx2m7q4a",
    "created_at": _AT,
    "expires_at": "2027-11-29T00:00:00Z",
    "revoked_at": None,
}
_NEW_ADMIN_KEY: Final = {**_ADMIN_KEY, "key": "mpk_admin_k3yfzx2m7q4a_…"}
_UNCLEAR: Final = {"default": "hold", "categories": {"authentication": "resend"}}

_NUMBER: Final = {
    "external_id": "106540352242922",
    "address": "+14155550123",
    "name": "Acme",
    "status": "CONNECTED",
    "per_second": 80,
}

EXAMPLES: Final[dict[str, dict[str, Any]]] = {
    **CALLBACK_EXAMPLES,
    "AcceptedMessage": _ACCEPTED,
    "BatchResult": {
        "accepted": 1,
        "refused": 1,
        "data": [
            {"index": 0, "status": "accepted", "message": _ACCEPTED},
            {"index": 1, "status": "refused", "errors": [_NUMBER_MISSING]},
        ],
    },
    "MessageCheck": {
        "would_send": True,
        "errors": [],
        "to": "+14155550100",
        "sender": _SENDER,
        "content": "template order_update (en_US)",
        "preview": "Hello Ana, your order A-1042 has shipped.",
        "category": "utility",
        "priority": "default",
        "retry_policy": "durable",
        "on_unknown": "hold",
        "window": "not_needed",
        "first_status": "queued",
        "send_at": None,
        "expires_at": None,
        "segments": None,
    },
    "Message": {
        "id": _MESSAGE,
        "status": "delivered",
        "mode": "live",
        "channel": "whatsapp",
        "to": "+14155550100",
        "sender_id": _SENDER,
        "template_id": _TEMPLATE,
        "template_version": None,
        "template_language": None,
        "content": _CONTENT,
        "summary": "template order_update (en_US)",
        "category": "utility",
        "priority": "default",
        "on_unknown": "hold",
        "retry_policy": "durable",
        "reference": "order-1042",
        "metadata": {"order": "A-1042"},
        "attempts": 1,
        "checks": 0,
        "error": None,
        "held": None,
        "provider_message_id": "wamid.HBgLMTQxNTU1NTAxMDAVAgARGBI1RjQyNQA=",
        "possible_duplicate": False,
        "send_at": None,
        "expires_at": None,
        "created_at": _AT,
        "updated_at": _LATER,
        "trace_id": TRACE,
        "links": _LINKS,
    },
    "MessageSummary": {
        "created_after": "2026-11-28T09:30:00Z",
        "created_before": "2026-11-29T09:30:00Z",
        "counted_since": "2026-11-28T09:30:00Z",
        "truncated": False,
        "messages": 1212,
        "by_status": [
            {"status": "delivered", "messages": 1180},
            {"status": "failed", "messages": 30},
            {"status": "dead", "messages": 2},
        ],
        "by_reason": [
            {"error_code": "131026", "status": "failed", "messages": 30},
            {"error_code": "131057", "status": "dead", "messages": 2},
        ],
    },
    **OF_A_MESSAGES_WAY,
    "MessageStatus": {"id": _MESSAGE, "status": "cancelled", "links": _LINKS},
    "DeadLetter": {
        "message_id": _MESSAGE,
        "code": "131049",
        "reason": "The provider did not deliver it to keep its users' trust.",
        "died_at": _LATER,
        "resolved_at": None,
        "resolution": None,
        "links": _LINKS,
    },
    "OperatorActionResult": {
        "action": "requeue",
        "dry_run": True,
        "done": 1,
        "refused": 0,
        "has_more": False,
        "data": [{"message_id": _MESSAGE, "result": "done", "code": None, "detail": None, "status": "queued"}],
    },
    "InboundMessage": {
        "id": _INBOUND,
        "sender_id": _SENDER,
        "kind": "text",
        "provider_kind": "text",
        "phone": "+14155550100",
        "user_id": None,
        "parent_user_id": None,
        "username": "@ana",
        "profile_name": "Ana",
        "text": "Thank you!",
        "in_reply_to": "wamid.HBgLMTQxNTU1NTAxMDAVAgARGBI1RjQyNQA=",
        "in_reply_to_message_id": _MESSAGE,
        "provider_message_id": "wamid.HBgLMTQxNTU1NTAxMDAVAgASGBQzQTRBNjU5OQA=",
        "payload": {"type": "text", "text": {"body": "Thank you!"}},
        "oddities": [],
        "occurred_at": _AT,
        "received_at": _LATER,
    },
    **DELIVERY_EXAMPLES,
    "ProviderEvent": {
        "id": _EVENT,
        "account_id": _ACCOUNT,
        "kind": "account_update",
        "sender_external_id": None,
        "content": {"event": "ACCOUNT_RESTRICTION", "restriction_info": [{"restriction_type": "RESTRICTED_BIZ"}]},
        "content_bytes": 93,
        "content_left_out": False,
        "occurred_at": "2026-11-29T09:30:00Z",
        "received_at": _AT,
        "webhook_id": "whk_01kb6w3r7mf5s8t9v1w2x4y6z0",
        "links": {"self": f"/v1/provider-events/{_EVENT}"},
    },
    "Template": {
        "id": _TEMPLATE,
        "account_id": _ACCOUNT,
        "name": "order_update",
        "language": "en_US",
        "category": "utility",
        "parameter_format": "positional",
        "components": {
            "body": "Hello {{1}}, your order {{2}} has shipped.",
            "header": None,
            "footer": None,
            "buttons": [],
            "examples": {"1": "Ana", "2": "A-1042"},
        },
        "status": "approved",
        "version": 1,
        "quality": "GREEN",
        "rejected_reason": None,
        "status_info": {},
        "unsupported": [],
        "changing": False,
        "on_unknown": None,
    },
    "TemplateSync": {"added": 2, "changed": 1, "removed": 0, "unchanged": 14},
    "Sender": {
        "id": _SENDER,
        "account_id": _ACCOUNT,
        "channel": "whatsapp",
        "mode": "live",
        "external_id": "106540352242922",
        "address": "+15550783881",
        "name": "Order updates",
        "status": "active",
        "per_second": 80,
        "rank": 0,
        "created_at": _AT,
        "health": {
            "state": "closed",
            "scope": None,
            "reason": None,
            "code": None,
            "since": None,
            "retry_at": None,
            "rate_factor": 1.0,
        },
    },
    "RoutingRules": {"data": [{"id": _RULE, "channel": "whatsapp", "sender_id": _SENDER, "prefixes": ["+55"]}]},
    "ProviderAccount": {
        "id": _ACCOUNT,
        "provider": "whatsapp_cloud",
        "mode": "live",
        "name": "Main WhatsApp account",
        "external_id": "102290129340398",
        "status": "active",
        "webhook_url": "https://messaging.example.com/webhooks/whatsapp_cloud/0Zb7uVqk3Yx1",
        "created_at": _AT,
    },
    "ProviderAccountInspection": {
        "ok": True,
        "checks": [
            {"part": "token", "ok": True, "detail": "valid, of app Acme; it does not expire"},
            {"part": "app_secret", "ok": True, "detail": "It is the secret of the app that the token is of."},
        ],
        "numbers": [_NUMBER],
    },
    "ProviderNumber": _NUMBER,
    "TenantHealth": {
        "mode": "live",
        "senders": [
            {
                "id": _SENDER,
                "account_id": _ACCOUNT,
                "channel": "whatsapp",
                "name": "Order updates",
                "status": "active",
                "health": {
                    "state": "open",
                    "scope": "account",
                    "reason": "unauthorized",
                    "code": "190",
                    "since": _AT,
                    "retry_at": _LATER,
                    "rate_factor": 1.0,
                },
            }
        ],
        "accounts": [
            {
                "id": _ACCOUNT,
                "provider": "whatsapp_cloud",
                "name": "Main WhatsApp account",
                "status": "active",
                "webhooks_last_at": _AT,
                "webhooks_set_aside": 0,
            }
        ],
        "templates": [
            {
                "id": _TEMPLATE,
                "account_id": _ACCOUNT,
                "name": "order_update",
                "language": "en_US",
                "status": "paused",
                "codes": ["template_not_sendable"],
            }
        ],
        "lanes": [
            {"channel": "whatsapp", "priority": "default", "due": 42, "waiting": 3, "oldest_due_at": _AT},
        ],
        "dead_letters_open": 0,
        "unconfirmed": 1,
    },
    **OWN_EXAMPLES,
    **INCIDENT_EXAMPLES,
    "KeyIdentity": {
        "tenant_id": _TENANT,
        "tenant_name": "Acme",
        "key_id": _KEY,
        "mode": "live",
        "role": "sender",
    },
    "Settings": {"on_unknown": _UNCLEAR},
    "Tenant": {
        "id": _TENANT,
        "name": "Acme",
        "status": "active",
        "created_at": _AT,
        "limits": None,
        "on_unknown": {"live": _UNCLEAR, "test": None},
    },
    "JobSummary": {
        "kinds": [
            {"kind": "sync_templates", "due": 0, "running": 1, "waiting": 41, "dead": 0, "oldest_due_at": None},
        ]
    },
    "DeadJob": {
        "id": "job_01kb6w4t7mf8r1v3x5y7z9a2c4",
        "tenant_id": _TENANT,
        "mode": "live",
        "kind": "release_held",
        "about": {"template_id": _TEMPLATE},
        "wanted_at": _AT,
        "died_at": _LATER,
        "attempts": 10,
        "error": {"code": "timeout", "reason": "It took longer than 30 s."},
    },
    "IssuedKey": {**_ISSUED, "key": "mpk_live_7h2kq0v9_…"},
    "Key": {**_ISSUED, "revoked_at": None},
    "AdminKey": _ADMIN_KEY,
    "IssuedAdminKey": _NEW_ADMIN_KEY,
    "RotatedAdminKey": {
        **_NEW_ADMIN_KEY,
        "replaces": {
            **_ADMIN_KEY,
            "id": "key_01k5c0v7t3m9n1p2q4r5s6t7v8",
            "hint": "mpk_admin_q7wezc4m2p5b",
            "created_at": "2025-11-29T09:30:00Z",
            "expires_at": "2026-11-29T10:30:00.125000Z",
        },
    },
}


def example_of(returned: Any) -> dict[str, Any]:
    """The example of a struct, or a page with one of it; empty where none is written."""
    if get_origin(returned) is ListView:
        (item,) = get_args(returned)
        return {"data": [example_of(item)], "next_cursor": None, "has_more": False}
    return EXAMPLES.get(public_name(returned.__name__), {})
