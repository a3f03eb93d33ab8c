"""Runs of a plan: one after the other, several at once, or on a cluster."""
