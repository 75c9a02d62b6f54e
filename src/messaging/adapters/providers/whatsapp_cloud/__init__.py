"""Everything that knows how Meta's WhatsApp Cloud API spells things."""
