"""The three processes: their commands, and a module that builds each, so that none imports what only another needs.

This is the one place that imports both the composition and the processes' entry points.
"""
