"""The routes about provider accounts and senders, and the use cases that their handlers call."""

from typing import Final

from litestar import Controller, Router

from messaging.entrypoints.api.dependencies import UseCases, use_case
from messaging.entrypoints.api.v1.accounts.accounts import AccountsController
from messaging.entrypoints.api.v1.accounts.senders import RulesController, SendersController

CONTROLLERS: Final[tuple[type[Controller], ...]] = (SendersController, RulesController, AccountsController)


def router(accounts: UseCases, templates: UseCases) -> Router:
    """The operation that brings an account's templates up to date has the account's address, so the use case of
    templates is given here.
    """
    return Router(
        path="",
        route_handlers=list(CONTROLLERS),
        dependencies={
            "add_sender": use_case(accounts.add_sender()),
            "change_sender": use_case(accounts.change_sender()),
            "find_sender": use_case(accounts.find_sender()),
            "list_senders": use_case(accounts.list_senders()),
            "list_rules": use_case(accounts.list_rules()),
            "replace_rules": use_case(accounts.replace_rules()),
            "connect_account": use_case(accounts.connect()),
            "verify_account": use_case(accounts.verify()),
            "change_account": use_case(accounts.change()),
            "delete_account": use_case(accounts.delete()),
            "subscribe_account": use_case(accounts.subscribe()),
            "register_number": use_case(accounts.register_number()),
            "find_account": use_case(accounts.find()),
            "list_accounts": use_case(accounts.list()),
            "sync_templates": use_case(templates.sync()),
        },
    )
