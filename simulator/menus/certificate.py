"""`/certificate`: add and sign, as far as tools need to turn a TLS service on (assumed).

A signed one has a key; `/ip/service set www-ssl certificate=NAME` serves it from the next
connection on.
"""

import time

from simulator import errors
from simulator.command import Request, Result
from simulator.fields import Field, state
from simulator.menu import Menu
from simulator.router_state import RouterState
from simulator.state import Row, Values
from simulator.tls import Certificate, make_certificate
from simulator.values import BOOL, Enum, Number

CERTIFICATE = "/certificate"
_PEM, _KEY = "_pem", "_key"  # values that no field shows
_DAY = 86400


class CertificateMenu(Menu):
    """Certificates; one that was signed can be served."""

    path = CERTIFICATE
    double = errors.DUPLICATE_NAME  # text assumed
    named = True
    commands = frozenset({"add", "set", "remove", "print", "get", "sign"})
    fields = (
        Field("name", required=True),
        Field("common-name", default=""),
        Field("country", hidden=""),
        Field("organization", hidden=""),
        Field("subject-alt-name", hidden=""),
        Field("key-size", Enum("1024", "1536", "2048", "4096", "8192", "prime256v1"), "2048"),
        Field("days-valid", Number(1, 36500), default="365"),
        Field("key-usage", default=""),
        Field("trusted", BOOL, default="false"),
        state("fingerprint"),
        state("private-key", "false"),
        state("invalid-before"),
        state("invalid-after"),
        state("expired"),
    )

    def do_sign(self, request: Request) -> Result:
        """Sign a request by itself: it has a key and a fingerprint from now on."""
        for row in self.find(request, request.arguments.get("numbers")):
            self.change(request, row, _signed(request.router, row, int(row.values["days-valid"])))
        return Result()

    def allowed(self, router: RouterState, command: str) -> frozenset[str]:
        """Know what signing takes."""
        if command == "sign":
            return frozenset({"numbers", "name", "ca", "ca-crl-host"})
        return super().allowed(router, command)


def _signed(router: RouterState, row: Row, days: int) -> Values:
    name, now = row.values["common-name"] or row.values["name"], router.clock()
    made = make_certificate(name, router.options.listen, now, days)
    return {
        "fingerprint": made.fingerprint_sha256,
        "private-key": "true",
        "trusted": "true",
        "invalid-before": router.date(),
        "invalid-after": time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(now + days * _DAY)),
        _PEM: made.pem,
        _KEY: made.key_pem,
    }


def _row_of(router: RouterState, service: str) -> Row | None:
    row = router.named("/ip/service", service)
    return row and router.table(CERTIFICATE).rows.get(row.values.get("certificate", ""))


def served(router: RouterState, service: str) -> Certificate | None:
    """Give the certificate that `/ip/service` names for a service, if it was signed."""
    row = _row_of(router, service)
    if row is None or _KEY not in row.values:
        return None
    return Certificate(row.values[_PEM], row.values[_KEY])


def renew(router: RouterState, service: str, days: int) -> None:
    """Renew the certificate of a service, valid for this number of days."""
    row = _row_of(router, service)
    if row is not None:
        router.table(CERTIFICATE).update(row, {**row.values, **_signed(router, row, days)})


MENUS = (CertificateMenu(),)
