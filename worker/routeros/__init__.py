"""The edge to routers: sessions, menus, and foreign errors turned into verdicts."""
