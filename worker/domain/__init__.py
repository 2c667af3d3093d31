"""Rules and values of refunds: pure, without I/O, clock or settings."""
