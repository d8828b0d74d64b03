"""The pages of routers."""
