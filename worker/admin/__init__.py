"""What people ask of it and do by hand: why, plan, names of routers, sources, option rows."""
