"""A router as it comes out of its box, with no certificate, until it works over TLS."""

import pytest

from simulator.testing import running
from tests.setup.conftest import ADMIN, inventory_of

pytestmark = [pytest.mark.redis, pytest.mark.router]

CERTIFICATE = "/certificate"


@pytest.fixture
def router():
    with running(user=ADMIN, rest_port=0, certificate="none") as simulation:
        yield simulation.router


@pytest.mark.parametrize("password", ["right", "wrong"])
def test_a_router_with_a_certificate_is_not_sent_to_plain(inventory, setup, tmp_path, password):
    with running(user=ADMIN) as simulation:
        shown = simulation.router
        pin = f'fingerprint = "{shown.fingerprint_sha256}"'
        (tmp_path / "routers.toml").write_text(
            inventory_of(shown, *([pin] if password == "wrong" else []))
        )
        refused = setup(plain=False, password=password)
    assert refused.code == 1
    assert ("login-refused" in refused.err) == (password == "wrong")
    assert "--bootstrap-plain" not in refused.err


@pytest.mark.parametrize("over", ["api-ssl", "rest"])
def test_a_fresh_router_is_set_up_in_clear_once_and_known_by_its_certificate_from_then_on(
    tmp_path, router, setup, leasewire, over
):
    port = router.rest_port if over == "rest" else router.api_ssl_port
    (tmp_path / "ours").write_text("from now on")

    def write(*more):
        where = f"port = {port}", f'transport = "{over}"'
        (tmp_path / "routers.toml").write_text(inventory_of(router, *where, *more))

    write()
    ours = leasewire("routers", "setup", "R1")
    assert "--bootstrap-user NAME --bootstrap-plain" in ours.err
    # nothing can be asked over TLS yet, and what is to be done is said
    first = setup(plain=False)
    assert first.code != 0
    assert "the router accepts none of our ciphers" in first.err
    assert "Give its api-ssl service a certificate" in first.err
    assert "--bootstrap-plain: this logs in as that user over the API without TLS" in first.err
    assert "sent in clear text: use a trusted network" in first.err
    assert router.rows(CERTIFICATE) == []
    done = setup("--apply")
    assert done.code == 0, done
    (row,) = router.rows(CERTIFICATE)
    pin = f'fingerprint = "{row["fingerprint"]}"'
    assert pin in done.out
    name = "www-ssl" if over == "rest" else "api-ssl"
    (service,) = [r for r in router.rows("/ip/service") if r["name"] == name and "local" not in r]
    assert service["tls-version"] == "only-1.2"  # it is new: nobody needs an older one
    write(pin)
    checked = leasewire("routers", "check", "R1")
    assert checked.code == 0, checked
    assert f"fingerprint {row['fingerprint']}" in checked.out
    assert leasewire("routers", "setup", "R1").code == 0  # as our own user
    # what goes over the wire in clear from then on: nothing
    router.reset_counters()
    router.run("/ip/service/disable", {".id": "api"})
    assert leasewire("routers", "check", "R1").code == 0
    # another certificate is another router
    router.new_certificate()
    refused = leasewire("routers", "check", "R1")
    assert refused.code != 0
    assert "certificate-mismatch" in refused.out
