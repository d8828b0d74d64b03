"""The Celery messages in a queue, as our scripts put them there."""

import json

from contracts import names


def calls(client, queue):
    """The arguments of each message in a queue's list, the oldest first."""
    return [json.loads(json.loads(text)["body"])[0] for text in client.lrange(queue, 0, -1)[::-1]]


def take_calls(client, queue):
    """The same; nothing is left in the queue."""
    found = calls(client, queue)
    client.delete(queue)
    return found


def lose_calls(store):
    """All messages are taken, or lost: nothing stands in the queues."""
    keys = store.keys
    store.client.delete(*map(keys.queue, (*names.LANES, names.QUEUE_ROUTERS)))
