"""Lets a Redis of a test be what a new primary is: a server with another history."""

import redis


def begin_another_history(client: redis.Redis) -> None:
    """Give its data another name, and end all connections, as a failover does."""
    client.replicaof("127.0.0.1", "1")
    client.replicaof("NO", "ONE")
    client.client_kill_filter(_type="normal", skipme=True)
