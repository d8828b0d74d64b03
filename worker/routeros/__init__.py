"""The edge to routers: transports, sessions, and foreign errors turned into our own."""
