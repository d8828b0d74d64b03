"""What we manage on a router, how it is set up, and its circuit."""
