"""What is done about an event: fold it, mark its service, make the router match."""
