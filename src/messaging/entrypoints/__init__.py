"""Which processes exist, and how is each wired?"""
