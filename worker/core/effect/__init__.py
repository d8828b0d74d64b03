"""When a change acts at the customer, and what on the router decides that."""
