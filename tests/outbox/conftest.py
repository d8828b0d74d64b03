"""A real PostgreSQL: one server a run, a database of its own a test."""

import os
import secrets
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg
import pytest

from producers.outbox.relay import ddl
from tests.needs import missing


def _programs():
    """The folder of the server's programs, which are not on the path everywhere."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    program = found[-1] if found else shutil.which("initdb")
    if program is None:
        missing("PostgreSQL is not installed: apt-get install postgresql")
    return Path(program).parent


class PostgresServer:
    """A server that listens on a Unix socket; it refuses to run as root, so it does not."""

    def __init__(self, directory):
        self.directory = directory
        self.programs = _programs()
        self.user = {}
        if os.geteuid() == 0:
            shutil.chown(directory, "nobody", "nogroup")
            self.user = {"user": "nobody", "group": "nogroup", "extra_groups": []}
        options = ["--auth=trust", "--username=tests", "--encoding=UTF8", "--no-locale"]
        self._run("initdb", "--no-sync", *options, "-D", directory / "data")
        self.start()

    def _run(self, program, *arguments):
        subprocess.run(
            [self.programs / program, *arguments],
            check=True,
            capture_output=True,
            cwd=self.directory,
            **self.user,
        )

    def start(self):
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(self.programs / "postgres", "-D", self.directory / "data"),
                    *("-k", self.directory, "-c", "listen_addresses=", "-c", "fsync=off"),
                ],
                stdout=log,
                stderr=log,
                cwd=self.directory,
                **self.user,
            )
        deadline = time.monotonic() + 20
        while True:
            try:
                self.connect("postgres").close()
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    raise AssertionError((self.directory / "log").read_text()) from None
                time.sleep(0.05)
            else:
                return

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(2)
        except subprocess.TimeoutExpired:
            self.process.send_signal(2)  # SIGINT: ends open sessions
            self.process.wait(10)

    def connect(self, database):
        address = f"host={self.directory} user=tests dbname={database}"
        return psycopg.connect(address, autocommit=True)


class Outbox:
    """A database with the table in it."""

    def __init__(self, server):
        self.server = server
        self.name = f"t{secrets.token_hex(4)}"
        self.url = f"postgresql://tests@/{self.name}?host={server.directory}"
        with server.connect("postgres") as connection:
            connection.execute(f"CREATE DATABASE {self.name}")

    def sql(self, statement, *arguments):
        with self.server.connect(self.name) as connection:
            cursor = connection.execute(statement, arguments)
            return cursor.fetchall() if cursor.description else []

    def add(self, *events):
        with self.server.connect(self.name) as connection, connection.transaction():
            for event in events:
                body = psycopg.types.json.Jsonb(event)
                connection.execute("INSERT INTO leasewire_outbox (body) VALUES (%s)", [body])

    def open(self):
        """Ids of the rows that wait."""
        found = self.sql(
            "SELECT id FROM leasewire_outbox WHERE published_at IS NULL AND refused_at IS NULL "
            "ORDER BY position"
        )
        return [id_ for (id_,) in found]

    def refused(self):
        return dict(
            self.sql("SELECT id, refusal FROM leasewire_outbox WHERE refused_at IS NOT NULL")
        )


@pytest.fixture(scope="session")
def postgres_server():
    directory = Path(tempfile.mkdtemp(prefix="lw-pg-"))
    try:
        server = PostgresServer(directory)
        yield server
        server.stop()
    finally:
        shutil.rmtree(directory)


@pytest.fixture
def outbox(postgres_server):
    outbox = Outbox(postgres_server)
    outbox.sql(ddl())
    return outbox
