"""A Redis that is there and takes no writes is not told to be started."""

import socketserver
import threading

import pytest

SAID = b"-MISCONF Valkey is configured to save RDB snapshots, but is unable to persist to disk\r\n"


class Full(socketserver.BaseRequestHandler):
    """Answers each command as a Redis whose disk is full answers a write."""

    def handle(self):
        while data := self.request.recv(65_536):
            self.request.sendall(SAID * max(1, data.count(b"*")))


@pytest.fixture
def full(monkeypatch):
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Full) as server:
        server.daemon_threads = True
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        port = server.server_address[1]
        monkeypatch.setenv("LEASEWIRE_REDIS_URL", f"redis://127.0.0.1:{port}/0")
        yield
        server.shutdown()
        serving.join()


@pytest.mark.redis
@pytest.mark.parametrize(("command", "code"), [("status", 2), ("backup all.gz", 3)])
def test_a_full_disk_is_told_as_one(full, leasewire, tmp_path, command, code):
    (tmp_path / "routers.toml").write_text('[installation]\nid = "acme"\n')
    shown = leasewire(*command.split())
    assert shown.code == code
    assert "ree space on its disk" in shown.out + shown.err
    assert "tart it" not in shown.out + shown.err
