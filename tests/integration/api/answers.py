"""What an answer must look like, whatever it refuses."""

import httpx

from tests.integration.api.callers import Json, Shop


def problem(response: httpx.Response, status: int, code: str) -> Json:
    """The response is a complete problem document of this kind."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    document = response.json()
    assert set(document) == {"type", "title", "status", "code", "detail", "errors", "request_id"}
    assert (document["status"], document["code"], document["type"]) == (status, code, f"/problems/{code}")
    assert document["request_id"] == response.headers["x-request-id"]
    return dict(document)


def violations(response: httpx.Response) -> dict[str, str]:
    document = problem(response, 422, "validation_failed")
    return {error["pointer"]: error["code"] for error in document["errors"]}


async def nothing_was_stored(shop: Shop) -> bool:
    response = await shop.get("/v1/messages")
    return bool(response.json()["data"] == [])
