"""A way to a Valkey on which answers get lost: how a worker's consumer falls silent for real."""

import contextlib
import socket
import threading


class SwallowingProxy:
    """Passes bytes between clients and a server's Unix socket.

    After `swallow(queue)` no answer comes through on connections that have waited for its messages
    (BRPOP) until then: neither an error nor an end is seen there. New connections are well.
    """

    def __init__(self, socket_path):
        self._path = str(socket_path)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._pairs = []
        self.waiting = {}
        self.swallowed = set()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    @property
    def url(self):
        return f"redis://127.0.0.1:{self._listener.getsockname()[1]}/0"

    def swallow(self, queue):
        self.swallowed |= {n for n, asked in self.waiting.items() if queue.encode() in asked}

    def _accept(self):
        with contextlib.suppress(OSError):  # closed at the end
            while True:
                client, _ = self._listener.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(self._path)
                self._pairs.append((client, server))
                number = len(self._pairs)
                for source, target, answers in ((client, server, False), (server, client, True)):
                    arguments = (source, target, number, answers)
                    self._threads.append(threading.Thread(target=self._pass_on, args=arguments))
                    self._threads[-1].start()

    def _pass_on(self, source, target, number, answers):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if not answers and b"BRPOP" in data:
                    self.waiting[number] = data
                if not (answers and number in self.swallowed):
                    target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for endpoint in (self._listener, *(end for pair in self._pairs for end in pair)):
            with contextlib.suppress(OSError):
                endpoint.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)
        for endpoint in (self._listener, *(end for pair in self._pairs for end in pair)):
            endpoint.close()
