"""Commands that run and keep the installation on a host."""
