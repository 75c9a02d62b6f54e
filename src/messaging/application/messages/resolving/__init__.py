"""What is found out about sends whose outcome is unclear: by asking, by repeating with a key, or by a decision."""
