"""What is known of every idempotency key, permanently, in Redis: one Lua file per atomic move."""
