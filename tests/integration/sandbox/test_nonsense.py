"""Is every nonsensical request answered like a Graph error, and never by a crash?"""

import copy
import random
from typing import Any

from tests.integration.sandbox.business import Business, a_definition, a_template_message, a_text

USER = "+14155557000"
JUNK: list[Any] = [
    None,
    True,
    0,
    -1.5,
    10**30,
    "",
    "x",
    "\x00",
    "{{1}}",
    "é" * 5000,
    [],
    [[]],
    {},
    {"type": []},
    [{}, 1],
]
INTERACTIVE: dict[str, Any] = {
    "type": "button",
    "body": {"text": "Keep it?"},
    "action": {"buttons": [{"type": "reply", "reply": {"id": "y", "title": "Yes"}}]},
}
BUTTONS: dict[str, Any] = {
    "type": "BUTTONS",
    "buttons": [{"type": "URL", "text": "Track", "url": "https://x.example/{{1}}", "example": ["a"]}],
}


def spoiled(value: Any, chance: random.Random) -> Any:
    """A copy with one member, somewhere, replaced by junk."""
    value = copy.deepcopy(value)
    owner = value
    while True:
        key = chance.choice(list(owner) if isinstance(owner, dict) else range(len(owner)))
        inner = owner[key]
        if not isinstance(inner, (dict, list)) or not inner or chance.random() < 0.3:
            owner[key] = chance.choice(JUNK)
            return value
        owner = inner


async def test_spoiled_sends_are_accepted_or_refused_in_form(business: Business) -> None:
    await business.control("settings", {"throughput_mps": None, "pair_limit": False})
    await business.user_writes(**{"from": USER})
    await business.approved_template()
    messages = [
        a_text(USER),
        a_text(USER) | {"type": "image", "image": {"link": "https://x.example/a.jpg", "caption": "c"}},
        a_text(USER) | {"type": "interactive", "interactive": INTERACTIVE},
        a_text(USER) | {"type": "contacts", "contacts": [{"name": {"formatted_name": "Ana"}}]},
        a_template_message("Ana", "A-1", to=USER),
    ]
    chance = random.Random(11)

    for _ in range(400):
        message = spoiled(chance.choice(messages), chance)
        answer = await business.post_message(message)
        body = answer.json()
        assert ("messages" in body) if answer.status_code == 200 else body["error"]["code"], message


async def test_spoiled_definitions_are_accepted_or_refused_in_form(business: Business) -> None:
    definition = a_definition()
    definition["components"] += [BUTTONS, {"type": "HEADER", "format": "TEXT", "text": "Order"}]
    chance = random.Random(12)

    for number in range(300):
        spoiled_one = spoiled(definition | {"name": f"notice_{number}"}, chance)
        answer = await business.call("POST", f"{business.waba_id}/message_templates", spoiled_one)
        body = answer.json()
        assert body["id"] if answer.status_code == 200 else body["error"]["code"] == 100, spoiled_one
