"""Ways in: whatever says that something happened to a service. Imports the contract only."""
