"""Categories of messages: what a message is for. They decide priority, validity and how long an unclear send waits."""

from enum import StrEnum


class Category(StrEnum):
    UTILITY = "utility"
    AUTHENTICATION = "authentication"
    MARKETING = "marketing"
    SERVICE = "service"
