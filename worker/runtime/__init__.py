"""The processes: Celery app, tasks, sweep, watchdog, supervisor, transport."""
