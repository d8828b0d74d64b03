"""RouterOS-api as its users write it: what was asked on standard input, what came on output."""

import json
import ssl
import sys

import routeros_api
from routeros_api.exceptions import RouterOsApiCommunicationError

asked = json.load(sys.stdin)
context = ssl.create_default_context(cadata=asked["ca"]) if "ca" in asked else None
pool = routeros_api.RouterOsApiPool(
    asked["host"],
    username=asked["user"],
    password=asked["password"],
    port=asked["port"],
    plaintext_login=asked["plaintext_login"],
    ssl_context=context,
)
leases = pool.get_api().get_resource("/ip/dhcp-server/lease")
added = leases.add(**asked["row"]).done_message["ret"]
found = leases.get(**{"mac-address": asked["row"]["mac-address"]})
leases.set(id=added, comment=asked["comment"])
(changed,) = leases.detailed_get(id=added)
try:
    leases.add(**asked["row"])
    duplicate = ""
except RouterOsApiCommunicationError as error:
    duplicate = error.original_message.decode()
# many in flight, waited for afterwards
identity = pool.get_api().get_resource("/system/identity")
in_flight = [identity.call_async("print") for _ in range(32)]
names = {promise.get()[0]["name"] for promise in in_flight}
count = leases.call("print", {"count-only": None}).done_message["ret"]
leases.remove(id=added)
left = list(leases.get())
pool.disconnect()
json.dump(
    {
        "added": added,
        "found": list(found),
        "changed": changed,
        "duplicate": duplicate,
        "names": sorted(names),
        "count": count,
        "left": left,
    },
    sys.stdout,
)
