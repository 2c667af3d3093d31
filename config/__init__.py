"""Twelve-factor config: what differs between deploys, and how a process is observed. Knows nothing of refunds."""
