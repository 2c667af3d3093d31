"""Periodic housekeeping: what is due, what was lost, what the dead left behind."""
