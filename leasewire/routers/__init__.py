"""Commands about routers."""
