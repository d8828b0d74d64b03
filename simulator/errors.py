"""The router's messages for what it refuses, each with its source.

Keys of sources (LAB, MAN, FN, …) are explained in README.md. Categories (MAN-API):
0 missing item or command, 1 argument value, 2 interrupted, 5 API.
"""


class RouterError(Exception):
    """A command refused: becomes `!trap` on the API, a JSON body in REST.

    Attributes:
        text: the router's words.
        category: the trap's category, or None where samples show none.
    """

    def __init__(self, text: str, category: int | None = None) -> None:
        super().__init__(text)
        self.text = text
        self.category = category


class FatalError(Exception):
    """Ends the session: becomes `!fatal`, then the connection closes."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


# LAB 7.23.7: leases
DUPLICATE_CLIENT = "failure: already have static lease for this client"
DUPLICATE_ADDRESS = "failure: already have static lease with this IP address"
# FN 7.24.4
DYNAMIC_LEASE = "failure: can not change dynamic lease"
# assumed: those of leases, with the other word
DUPLICATE_BINDING_CLIENT = "failure: already have static binding for this client"
DUPLICATE_BINDING_ADDRESS = "failure: already have static binding with this address"
DYNAMIC_BINDING = "failure: can not change dynamic binding"
# LAB 7.23.7: other menus
DUPLICATE_NETWORK = "failure: such network already exists"
INVALID_NETWORK = "failure: invalid network"
DUPLICATE_SERVER = "failure: server with such name already exists"
DUPLICATE_ENTRY = "failure: already have such entry"
MOVE_BEFORE_SELF = "failure: can not move object before itself"
GROUP_IN_USE = "failure: group has some users"
# seen in public logs and clients' tests
DUPLICATE_IP = "failure: already have such address"
DUPLICATE_INTERFACE = "failure: already have interface with such name"
# the family of the above; the exact words for these menus are assumed
DUPLICATE_NAME = "failure: item with such name already exists"
IN_USE = "failure: item is in use"
# recorded by public clients, without a category
DUPLICATE_QUEUE = "failure: already have such name"
DUPLICATE_POOL = "failure: pool with such name exists"
READ_ONLY_ROW = "failure: can not change dynamic item"
# LaiArturs/RouterOS_API#9
BAD_LOGIN = "invalid user name or password (6)"
BAD_LOGIN_OLD = "cannot log in"
# JS client README; LIB docs
NOT_LOGGED_IN = "not logged in"
SESSION_TERMINATED = "session terminated on request"


def no_such_item() -> RouterError:
    """An id that is not there (INK, ANS tests)."""
    return RouterError("no such item (4)", 0)


def no_such_command() -> RouterError:
    """A menu that has no such command (LAB, MAN-REST)."""
    return RouterError("no such command", 0)


def no_such_menu() -> RouterError:
    """A menu that is not there (mktxp#47)."""
    return RouterError("no such command prefix", 0)


def unknown_parameter(name: str) -> RouterError:
    """An argument that the command does not have (LAB, MAN-REST)."""
    return RouterError(f"unknown parameter {name}")


def missing(name: str) -> RouterError:
    """An argument that must be given (LAB, MAN-REST)."""
    return RouterError(f"missing ={name}=")


def no_match(name: str) -> RouterError:
    """A reference or enumeration value that is not there (MAN-API sample: category 1)."""
    return RouterError(f"input does not match any value of {name}", 1)


def invalid_value(name: str) -> RouterError:
    """A value that cannot be read as the argument's type (eworm-de/routeros-scripts#43)."""
    return RouterError(f"invalid value for argument {name}", 1)


def out_of_range(name: str, low: object, high: object) -> RouterError:
    """A number outside its range (LAB)."""
    return RouterError(f"value of {name} out of range ({low}..{high})", 1)


def not_permitted() -> RouterError:
    """The user's group lacks the policy (MAN-REST; HA issue 235)."""
    return RouterError("not enough permissions (9)")


def interrupted() -> RouterError:
    """A command ended by `/cancel` (MAN-API, LIB docs)."""
    return RouterError("interrupted", 2)
