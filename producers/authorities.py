"""TLS with the authorities of a file: those that an ISP makes for itself.

From Python 3.13 on the standard library refuses, unless told otherwise, authorities without the
extensions that only newer recipes write (key usage, key ids). Whoever names an authority in a file
has said whom they trust; chain, name and dates are verified all the same.
"""

import ssl
from pathlib import Path
from typing import Any, Final

REDIS_OPTIONS: Final[dict[str, Any]] = {"ssl_exclude_verify_flags": [ssl.VERIFY_X509_STRICT]}
"""The same for redis-py, beside `ssl_ca_certs`."""


def trusting(ca_file: Path | str | None) -> ssl.SSLContext:
    """A client's context that verifies by these authorities; None: those that the system trusts."""
    context = ssl.create_default_context(cafile=ca_file)
    if ca_file is not None:
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context
