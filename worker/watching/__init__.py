"""What watches in the background: devices, alerts, maintenance."""
