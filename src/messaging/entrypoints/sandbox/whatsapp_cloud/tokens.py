"""Access tokens, their owners and scopes: `debug_token`, and the proof that a caller knows the app's secret."""

import hashlib
import hmac
import time

from messaging.entrypoints.sandbox.core.wire import Json, Request
from messaging.entrypoints.sandbox.whatsapp_cloud.accounts import Account, Accounts
from messaging.entrypoints.sandbox.whatsapp_cloud.wire.graph_errors import GraphError, missing


class Tokens:
    """Tokens are those of the accounts; an app's own is `app_id|app_secret`, as with Meta."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    def authenticate(self, request: Request) -> str:
        """The caller's token; raises Graph errors 104 without one, 190 for one nobody holds, 100 for a wrong proof."""
        token = self._accounts.authenticate(_given(request))
        proof = request.query().get("appsecret_proof")
        held = self._accounts.held_by(token)
        if proof is not None and not any(_is_proof(proof, token, account.app_secret) for account in held):
            raise GraphError(100, message="Invalid appsecret_proof provided in the API argument")
        return token

    def debug(self, request: Request) -> Json:
        """What is known about `input_token`, for that token itself or for the app it is of."""
        asked = request.query().get("input_token")
        if not asked:
            raise missing("input_token")
        held, caller = self._accounts.held_by(asked), _given(request)
        if caller != asked and not any(caller == f"{account.app_id}|{account.app_secret}" for account in held):
            caller = self.authenticate(request)
        elif not held:
            raise GraphError(190)
        if not held:
            error: Json = {"code": 190, "message": "Invalid OAuth access token."}
            return {"data": {"is_valid": False, "scopes": [], "error": error}}
        return {"data": _facts(held)}


def _given(request: Request) -> str | None:
    return request.token or request.query().get("access_token")


def _is_proof(proof: str, token: str, app_secret: str) -> bool:
    wanted = hmac.new(app_secret.encode(), token.encode(), hashlib.sha256).hexdigest()
    return hmac.compare_digest(proof.encode("utf-8", "replace"), wanted.encode())


def _facts(held: list[Account]) -> Json:
    first = held[0]
    targets = [account.waba_id for account in held]
    expires = first.token_expires_at
    return {
        "app_id": first.app_id,
        "type": "SYSTEM_USER",
        "application": "Sandbox",
        "data_access_expires_at": 0,
        "expires_at": expires,
        "is_valid": not expires or expires > time.time(),
        "issued_at": 1700000000,
        "scopes": list(first.scopes),
        "granular_scopes": [{"scope": scope, "target_ids": targets} for scope in first.scopes],
        "user_id": f"9{first.app_id}",
    }
