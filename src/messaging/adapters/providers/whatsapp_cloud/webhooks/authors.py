"""Finds the author of an inbound message, from the message itself and from the contacts delivered with it."""

from typing import Any, NamedTuple

from messaging.adapters.providers.whatsapp_cloud.wire.fields import Json, identifier, mapping, mappings, text
from messaging.domain.channels.address import parse_provider_phone
from messaging.domain.channels.whatsapp import read_scoped_user
from messaging.domain.conversations.inbound import Oddity


class Author(NamedTuple):
    phone: str | None = None
    user_id: str | None = None
    parent_user_id: str | None = None
    profile_name: str | None = None
    username: str | None = None
    oddities: tuple[Oddity, ...] = ()


class Contacts:
    """The contacts in one change of a webhook, matched with the authors of the messages in the same change."""

    def __init__(self, contacts: Any, messages: list[Any]) -> None:
        self._contacts = mappings(contacts)
        self._authors = {name for message in messages for name in _names(mapping(message))}

    def author(self, message: Json) -> Author:
        """The author as far as message and contacts tell; for people with a username there may be no phone number."""
        phone, user_id = _read(identifier(message, "from"))
        contact = self._contact_of(message)
        said = phone or user_id or text(message, "from_user_id")
        their_phone, _ = _read(identifier(contact, "wa_id"))
        profile = mapping(contact.get("profile"))
        author = Author(
            phone=phone or (None if user_id else their_phone),
            user_id=text(message, "from_user_id") or user_id or text(contact, "user_id") or None,
            parent_user_id=text(message, "from_parent_user_id") or text(contact, "parent_user_id") or None,
            profile_name=text(profile, "name") or None,
            username=text(profile, "username") or text(contact, "username") or None,
        )
        return author._replace(oddities=_oddities(message, author, named=bool(said)))

    def _contact_of(self, message: Json) -> Json:
        names = _names(message)
        own = next((contact for contact in self._contacts if names & _names_of_contact(contact)), None)
        if own is not None:
            return own
        # In some countries the wa_id differs from the phone number. A single contact can only be the author's, unless
        # it matches another author of the change.
        if len(self._contacts) == 1 and not self._authors & _names_of_contact(self._contacts[0]):
            return self._contacts[0]
        return {}


def _oddities(message: Json, author: Author, *, named: bool) -> tuple[Oddity, ...]:
    if named:
        return ()
    known = author.phone or author.user_id
    unreadable = message.get("from") not in (None, "")
    if known:
        return (Oddity.AUTHOR_UNREADABLE, Oddity.AUTHOR_FROM_CONTACT) if unreadable else (Oddity.AUTHOR_FROM_CONTACT,)
    return (Oddity.AUTHOR_UNREADABLE,) if unreadable else (Oddity.AUTHOR_MISSING,)


def _names(message: Json) -> set[str]:
    given = {identifier(message, "from"), text(message, "from_user_id"), text(message, "from_parent_user_id")}
    return {name.removeprefix("+") for name in given} - {""}


def _names_of_contact(contact: Json) -> set[str]:
    given = {identifier(contact, "wa_id"), text(contact, "user_id"), text(contact, "parent_user_id")}
    return {name.removeprefix("+") for name in given} - {""}


def _read(name: str) -> tuple[str | None, str | None]:
    """A pair: the phone number in E.164, and the business-scoped user id; None for what `name` is not."""
    if (phone := parse_provider_phone(name)) is not None:
        return phone.value, None
    user = read_scoped_user(name)
    return None, None if user is None else user.value
