import json
import signal
import socket

import pytest

from simulator.control import ControlClient, ControlError

pytestmark = pytest.mark.router


def test_it_prints_where_it_listens_and_stops_cleanly(start, tmp_path):
    secret = tmp_path / "password"
    secret.write_text("s3cret\n")
    control = tmp_path / "control"
    process = start("--password-file", secret, "--control", control, "--routers", "2", "--json")
    said = json.loads(process.stdout.readline())
    assert [router["name"] for router in said["routers"]] == ["R1", "R2"]
    assert said["user"] == "leasewire"
    assert "s3cret" not in json.dumps(said)
    for router in said["routers"]:
        for port in (router["api_port"], router["api_ssl_port"]):
            socket.create_connection((router["host"], port)).close()
    with ControlClient(said["control"], router="R2") as client:
        assert client.identity == "MikroTik-2"
        assert client.rows("/system/identity") == [{"name": "MikroTik-2"}]
        client.power_off()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((client.host, client.api_port))
        client.set_faults(latency_ms=5)
        assert client.faults()["latency_ms"] == 5
        with pytest.raises(ControlError, match="no such command prefix"):
            client.rows("/ip/mac-server")
    assert oct(control.stat().st_mode & 0o777) == "0o600"
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=10)
    assert (process.returncode, out, err) == (0, "", "")
    assert not control.exists()


def test_it_prints_one_line_for_people(start):
    with_secret = ("/usr/bin/env", "ROUTER_SECRET=s3cret")
    process = start("--password-env", "ROUTER_SECRET", "--seed-guide", prefix=with_secret)
    line = process.stdout.readline()
    assert line.startswith("RouterOS 7.18.2 (simulated) 'MikroTik' on 127.0.0.1: api ")
    assert "s3cret" not in line
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=10) == ("", "")
    assert process.returncode == 0


def test_a_router_without_a_certificate_is_shown_without_one(start):
    process = start("--demo-password", "--certificate", "none")
    line = process.stdout.readline()
    assert line.endswith("; without a certificate\n")
    assert "sha256" not in line
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)


def test_a_port_that_is_taken_is_named(start):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = start("--demo-password", "--api-port", str(port))
        _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (
        1,
        f"simulator: 127.0.0.1 port {port}: Address already in use\n",
    )


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ((), "--password-file, --password-env, --demo-password"),
        (("--demo-password", "--password-env", "HOME"), "give one of"),
        (("--password-env", "NOT_SET_ANYWHERE"), "NOT_SET_ANYWHERE is not set"),
        (("--demo-password", "--version", "5.2"), "no RouterOS version"),
        (("--demo-password", "--fault", "x=1"), "no fault named x"),
    ],
)
def test_wrong_flags_are_named(start, flags, says):
    process = start(*flags)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 2
    assert says in err.replace("\n", " ").replace("│ ", "")
    assert "Traceback" not in err
