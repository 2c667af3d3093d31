"""What may say *not now* to a job: limits over all workers, the circuit breaker, a pause."""
