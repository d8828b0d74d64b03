"""A Celery app such as any other program would have, to send to our queues and to read them."""

from celery import Celery

from contracts.broker import broker_transport_options, broker_url


def stock_app(redis_url, prefix):
    """Make one that reaches the queues under a prefix."""
    app = Celery("another-program", set_as_current=False)
    app.conf.update(
        broker_url=broker_url(redis_url),
        broker_transport_options=broker_transport_options(prefix),
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
    )
    return app
