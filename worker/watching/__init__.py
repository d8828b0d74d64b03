"""Background tasks of workers: devices, alerts, maintenance."""
