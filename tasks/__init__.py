"""The driving adapter of the queue: what Celery may ask for."""
