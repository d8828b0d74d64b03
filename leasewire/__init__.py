"""The command `leasewire`, which puts the parts together."""
