"""Everything that speaks HTTP with the outside: the API, webhooks in, webhooks out."""
