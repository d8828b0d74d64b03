"""The edge to Redis: the one implementation of what is kept, in small Lua scripts."""
