"""Runs the whole platform on one machine with nothing else installed."""
