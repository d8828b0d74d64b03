import pytest

from contracts.broker import broker_transport_options, broker_url


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("redis://h:6379/2", "redis://h:6379/2"),
        ("unix:///run/v.sock", "redis+socket:///run/v.sock"),
        ("unix:///run/v.sock?db=1", "redis+socket:///run/v.sock?virtual_host=1"),
        ("rediss://h:6380/0", "rediss://h:6380/0?ssl_cert_reqs=required"),
        ("rediss://h/0?ssl_cert_reqs=none", "rediss://h/0?ssl_cert_reqs=none"),
    ],
)
def test_a_url_is_written_as_kombu_wants_it(given, written):
    assert broker_url(given) == written


def test_a_login_is_quoted():
    assert broker_url("redis://h/0", password="p@/:?") == "redis://:p%40%2F%3A%3F@h/0"
    assert (
        broker_url("unix:///v.sock", username="me", password="x") == "redis+socket://me:x@/v.sock"
    )


def test_no_wait_for_the_broker_is_without_end():
    options = broker_transport_options("lw:")
    assert options["global_keyprefix"] == "lw:"
    assert options["socket_timeout"] > 0
    assert options["socket_connect_timeout"] > 0
