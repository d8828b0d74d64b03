"""A local SMTP server that keeps what comes."""

import email
from email import policy

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

PASSWORD = "mail-secret-9c1e"


class Inbox:
    """What came; refuses everything while `away`."""

    def __init__(self):
        self.mails, self.away = [], False

    async def handle_DATA(self, server, session, envelope):  # noqa: N802 - aiosmtpd's name
        if self.away:
            return "451 try again later"
        self.mails.append(email.message_from_bytes(envelope.content, policy=policy.default))
        return "250 OK"

    @property
    def titles(self):
        return [mail["Subject"] for mail in self.mails]


class _Server(Controller):
    """On any free port: the base class would ask port 0 whether it is up."""

    def _trigger_server(self):
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


def serve(inbox):
    """A server that was started, and the URL of a mailbox there."""
    server = _Server(
        inbox,
        hostname="127.0.0.1",
        port=0,
        auth_require_tls=False,
        authenticator=lambda *_: AuthResult(success=True),
    )
    server.start()
    login = f"noc:{PASSWORD}@127.0.0.1:{server.port}"
    return server, f"mailto://{login}?mode=insecure&to=noc@example.net&from=lw@example.net"
