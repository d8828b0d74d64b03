"""Commands that show how the installation is doing."""
