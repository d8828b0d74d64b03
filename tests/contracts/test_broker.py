import pytest

from contracts.broker import (
    broker_tls,
    broker_transport_options,
    broker_url,
    sentinel_place,
)


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


def test_each_sentinel_has_a_url_for_kombu():
    url = "sentinel://a:1,[::1]:2,c/main/3"
    assert broker_url(url, password="p@") == (
        "sentinel://:p%40@a:1/3;sentinel://:p%40@[::1]:2/3;sentinel://:p%40@c:26379/3"
    )
    assert broker_tls(url) is None
    login = {"ca_file": "/ca.pem", "sentinel_password": "s"}
    assert broker_tls("sentinels://a/main", **login) == {
        "ssl_cert_reqs": "required",
        "ssl_ca_certs": "/ca.pem",
    }
    options = broker_transport_options("lw:", "sentinels://a/main", **login)
    assert options["master_name"] == "main"
    of_sentinel = options["sentinel_kwargs"]
    assert of_sentinel.items() >= {"ssl": True, "ssl_ca_certs": "/ca.pem", "password": "s"}.items()
    assert of_sentinel["socket_timeout"] > 0


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("sentinel://a", "must name the primary"),
        ("sentinel:///main", "must name each Sentinel"),
        ("sentinel://a:x/main", "must name each Sentinel"),
        ("sentinel://a,,b/main", "must name each Sentinel"),
        ("sentinel://a/main/x", "number of the database"),
        ("sentinel://a/main/0?x=1", "must not have options"),
    ],
)
def test_a_url_of_sentinels_that_lacks_something_says_so(url, problem):
    with pytest.raises(ValueError, match=problem):
        sentinel_place(url)


def test_no_wait_for_the_broker_is_without_end():
    options = broker_transport_options("lw:")
    assert options["global_keyprefix"] == "lw:"
    assert options["socket_timeout"] > 0
    assert options["socket_connect_timeout"] > 0
