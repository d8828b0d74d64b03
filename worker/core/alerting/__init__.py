"""What a person must know: alerts, notifications, health."""
