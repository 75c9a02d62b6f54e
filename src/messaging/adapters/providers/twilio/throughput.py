"""How many segments per second each kind of sender may send at Twilio."""

# Twilio, "Understanding rate limits", 2026: a registered number may have more.
LONG_CODE, TOLL_FREE, SHORT_CODE = 1, 3, 100
