"""Campaigns: many refund jobs from a file, as one named piece of work."""
