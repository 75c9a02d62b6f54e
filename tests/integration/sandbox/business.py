"""A business with its own account in the sandbox: what tests send from."""

from typing import Any

import httpx

from tests.integration.sandbox.receiver import Inbox

Json = dict[str, Any]


class Business:
    """One account with one number, one token and one webhook inbox."""

    def __init__(self, http: httpx.AsyncClient, number: int, inbox: Inbox) -> None:
        self.http = http
        self.waba_id = f"10{number:04d}"
        self.phone_id = f"20{number:04d}"
        self.token = f"token-{number}"
        self.app_secret = f"secret-{number}"
        self.display = f"+1 555 07{number:05d}"
        self.inbox = inbox

    async def join(self, **changes: object) -> None:
        account = {
            "waba_id": self.waba_id,
            "access_token": self.token,
            "app_secret": self.app_secret,
            "webhook_url": self.inbox.url,
            "phone_numbers": [{"id": self.phone_id, "display_phone_number": self.display}],
        }
        await self.control("accounts", account | changes)

    async def control(self, path: str, body: Json) -> Json:
        answer = await self.http.post(f"/_control/{path}", json=body)
        assert answer.is_success, answer.text
        result: Json = answer.json()
        return result

    async def call(self, method: str, path: str, body: Json | None = None, **query: str) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.token}"}
        return await self.http.request(method, f"/v25.0/{path}", json=body, params=query, headers=headers)

    async def post_message(self, body: Json) -> httpx.Response:
        return await self.call("POST", f"{self.phone_id}/messages", body)

    async def send(self, to: str = "+14155557000", **changes: object) -> httpx.Response:
        """A free-form text; the recipient's window must be open."""
        return await self.post_message(a_text(to) | changes)

    async def send_id(self, to: str = "+14155557000", **changes: object) -> str:
        answer = await self.send(to, **changes)
        assert answer.status_code == 200, answer.text
        message_id: str = answer.json()["messages"][0]["id"]
        return message_id

    async def user_writes(self, **who: str) -> str:
        """A user's text, which opens the 24-hour window."""
        message = {"type": "text", "text": {"body": "hello"}}
        answer = await self.control("inbound", {"phone_number_id": self.phone_id, "message": message, **who})
        message_id: str = answer["message_id"]
        return message_id

    async def approved_template(self, **changes: object) -> str:
        """Create a template and wait until the sandbox has approved it."""
        answer = await self.call("POST", f"{self.waba_id}/message_templates", a_definition(**changes))
        assert answer.status_code == 200, answer.text
        template_id: str = answer.json()["id"]
        await self.inbox.until(lambda: int(template_id) in self.announced("APPROVED"))
        return template_id

    def announced(self, event: str) -> set[int]:
        values = self.inbox.values("message_template_status_update")
        return {value["message_template_id"] for value in values if value["event"] == event}

    async def ledger(self) -> list[Json]:
        answer = await self.http.get("/_ledger")
        return [entry for entry in answer.json()["data"] if entry["sender"] == self.phone_id]


def a_text(to: str = "+14155557000") -> Json:
    return {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": to,
        "type": "text",
        "text": {"body": "hello"},
    }


def a_definition(**changes: object) -> Json:
    return {
        "name": "order_update",
        "language": "en_US",
        "category": "UTILITY",
        "components": [
            {
                "type": "BODY",
                "text": "Hi {{1}}, your order {{2}} has shipped.",
                "example": {"body_text": [["Ana", "A-1"]]},
            }
        ],
    } | changes


def a_template_message(
    *parameters: object, to: str = "+14155557000", name: str = "order_update", language: str = "en_US"
) -> Json:
    """A template send; texts become positional body parameters, objects are taken as components."""
    texts = [{"type": "text", "text": p} for p in parameters if isinstance(p, str)]
    components = [p for p in parameters if isinstance(p, dict)]
    if texts:
        components.append({"type": "body", "parameters": texts})
    template = {"name": name, "language": {"code": language}, "components": components}
    return {"messaging_product": "whatsapp", "to": to, "type": "template", "template": template}
