"""How a session of the API logs in: by challenge before 6.43, by password since.

Source: MAN-API, LIB. 6.43 to 6.45 take both.
"""

from simulator import errors
from simulator.errors import RouterError
from simulator.menus.users import log_in, log_in_old
from simulator.router import Router
from simulator.router_state import Caller, Session
from simulator.state import Values

_PLAIN_SINCE = (6, 43)
_OLD_UNTIL = (6, 45, 1)  # BenMenking/routeros-api#44


class ApiLogin:
    """The login of one session.

    Args:
        router: whom it is to.
        session: whose it is, for the log.
    """

    def __init__(self, router: Router, session: Session) -> None:
        self._router = router
        self._session = session
        self._challenge = b""

    def attempt(self, given: Values, session_id: str) -> Caller | str:
        """Take the arguments of one `/login`.

        Returns:
            Who it is, or the challenge to answer, in hexadecimal.

        Raises:
            RouterError: it is refused.
        """
        router, version = self._router, self._router.version
        router.commands_run["/login"] += 1
        name, old = given.get("name", ""), version < _OLD_UNTIL
        if "response" in given and old and self._challenge:
            caller = log_in_old(router, name, given["response"], self._challenge, session_id)
        elif old and ("password" not in given or version < _PLAIN_SINCE):
            self._challenge = router.random.randbytes(16)
            return self._challenge.hex()
        else:
            caller = log_in(router, name, given.get("password", ""), session_id, "api")
        if caller is None:
            text = errors.BAD_LOGIN if version >= _PLAIN_SINCE else errors.BAD_LOGIN_OLD
            router.refused_login(self._session, name, text)
            raise RouterError(text)
        router.logged_in(self._session, caller)
        return caller
