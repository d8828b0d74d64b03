"""`/certificate`: add and sign, as far as tools need to turn a TLS service on (assumed)."""

import hashlib
from typing import TYPE_CHECKING

from simulator import errors
from simulator.command import Request, Result
from simulator.fields import Field, state
from simulator.menu import Menu
from simulator.state import Row, Values
from simulator.values import BOOL, Enum, Number

if TYPE_CHECKING:
    from simulator.router import Router


class CertificateMenu(Menu):
    """Certificates; keys are not made, the TLS services keep their own certificate."""

    path = "/certificate"
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
        state("expired"),
    )

    def check(self, router: "Router", row: Row | None, values: Values) -> None:
        """Refuse a name that is taken (words assumed)."""
        self.refuse_double(router, row, values, errors.DUPLICATE_NAME)

    def do_sign(self, request: Request) -> Result:
        """Sign a request by itself: it has a key and a fingerprint from now on."""
        router = request.router
        for row in self.find(request, request.arguments.get("numbers")):
            digest = hashlib.sha256(f"{router.serial} {row.id}".encode()).hexdigest()
            signed = {"fingerprint": digest, "private-key": "true", "trusted": "true"}
            self.change(request, row, {**signed, "invalid-before": router.date()})
        return Result()

    def allowed(self, router: "Router", command: str) -> frozenset[str]:
        """Know what signing takes."""
        if command == "sign":
            return frozenset({"numbers", "name", "ca", "ca-crl-host"})
        return super().allowed(router, command)


def menus() -> list[Menu]:
    """Give this module's menus."""
    return [CertificateMenu()]
