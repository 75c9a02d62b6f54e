"""A self-hosted, multi-tenant messaging platform."""
