"""DHCP and DHCPv6 clients that tests play through the control interface."""

from typing import Any


class PlayedClients:
    """What the devices of one simulated router can be made to do."""

    def _do(self, do: str, **arguments: Any) -> Any:  # noqa: ANN401 - JSON either way
        raise NotImplementedError

    # --- a DHCP client ------------------------------------------------------------------------

    def device(
        self,
        mac: str,
        *,
        server: str = "",
        requested: str = "",
        reconfigure: str = "",
        **identity: str,
    ) -> dict[str, Any]:
        """Ask for a lease as a device would.

        Args:
            mac: the device's.
            server: name of the DHCP server that hears it; empty is the only one.
            requested: address that it asks for or renews.
            reconfigure: `obey` or `ignore`: it asks for a key, so that the router can tell it
                to ask again; empty: it knows nothing of that.
            identity: `client_id` (option 61), `host_name` (option 12), `circuit_id` and `remote_id`
                (option 82, as text).

        Returns:
            `kind` (`ack`, `nak`, `none`), `address`, `lease_s`, `row_id`.
        """
        asked = {"server": server, "requested": requested, "reconfigure": reconfigure}
        answer: dict[str, Any] = self._do("device", mac=mac, **asked, **identity)
        return answer

    def device_renews(self, mac: str) -> dict[str, Any]:
        """Let a device that asked once renew, as at T1; refused, it asks again at once.

        Raises:
            ControlError: it never asked.
        """
        answer: dict[str, Any] = self._do("device_renews", mac=mac)
        return answer

    def device_release(self, mac: str, *, server: str = "") -> None:
        """Give a device's lease back."""
        self._do("device_release", mac=mac, server=server)

    # --- a DHCPv6 client ----------------------------------------------------------------------

    def device6(
        self, mac: str, *, prefix: str = "", reconfigure: str = "", **client: str | int
    ) -> dict[str, Any]:
        """Ask for a prefix or an address as a device would; the router sees it as a neighbour.

        Args:
            mac: the device's.
            prefix: that it asks for or holds.
            reconfigure: `obey` or `ignore` what the router tells it; empty: it accepts none.
            client: `ia` (`pd`, the default, or `na`), `iaid` (1), `duid` (a DUID-LL of the
                MAC), `link_local` (EUI-64 of the MAC), `server` (the only one).

        Returns:
            `kind` (`reply`, `none`), `status` (`success`, `none-available`, `no-binding`),
            `address`, `life_s`, `row_id`, `ended` (prefixes that it loses).
        """
        asked = {"prefix": prefix, "reconfigure": reconfigure}
        answer: dict[str, Any] = self._do("device6", mac=mac, **asked, **client)
        return answer

    def device6_renews(self, mac: str, **client: str | int) -> dict[str, Any]:
        """Let a device that asked once renew, as at T1; without a binding it asks again at once.

        Raises:
            ControlError: it never asked.
        """
        answer: dict[str, Any] = self._do("device6_renews", mac=mac, **client)
        return answer

    def device6_release(self, mac: str, **client: str | int) -> None:
        """Give back what a device holds."""
        self._do("device6_release", mac=mac, **client)

    # --- a PPP client -------------------------------------------------------------------------

    def ppp_login(
        self,
        name: str,
        password: str,
        *,
        service: str = "pppoe",
        caller_id: str = "00:00:5E:00:53:01",
        redials: bool = False,
    ) -> dict[str, Any]:
        """Log in as a PPP client would.

        Args:
            name: of a secret.
            password: likewise.
            service: that it connects to.
            caller_id: its MAC.
            redials: it logs in again, with the same name and password, when its session ends.

        Returns:
            `address` and `session_id`; both empty when it is refused.
        """
        how = {"service": service, "caller_id": caller_id, "redials": redials}
        answer: dict[str, Any] = self._do("ppp_login", name=name, password=password, **how)
        return answer

    def ppp_logout(self, name: str) -> None:
        """End the sessions of a PPP client, which does not log in again."""
        self._do("ppp_logout", name=name)
