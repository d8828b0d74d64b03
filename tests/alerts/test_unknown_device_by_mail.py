"""A device that no service knows: one mail from real workers within a minute, and no more after."""

import pytest

from tests.alerts.mailbox import PASSWORD, Inbox, serve
from tests.builders import mac
from tests.installation import PREFIX, SERVER, Installation
from tests.waiting import eventually

pytestmark = [pytest.mark.redis, pytest.mark.router, pytest.mark.e2e]


def test_one_mail_comes(short_directory):
    inbox = Inbox()
    server, url = serve(inbox)
    table = '[alerts.noc]\nurl_env = "NOC_URL"\nkinds = ["rogue-device"]\n'
    fast = {"LEASEWIRE_WATCH_EVERY_S": "1", "LEASEWIRE_ALERTS_EVERY_S": "1", "NOC_URL": url}
    try:
        with Installation(short_directory, tables=table, environ_more=fast) as place:
            place.start_workers("routers")
            place.control["R1"].device(mac(7), server=SERVER)
            not_notified = f"{PREFIX}alerts:not-notified"
            eventually(lambda: place.client.zcard(not_notified), "it is seen", within_s=20)
            place.client.zadd(not_notified, {f"rogue-device|R1 {mac(7)}": 1})  # 15 s go by
            eventually(lambda: inbox.mails, "a mail", within_s=20)
            assert inbox.titles == [f"Leasewire tests: warning: rogue-device R1 {mac(7)}"]
            place.control["R1"].device(mac(8), server=SERVER)
            eventually(lambda: place.client.zcard(not_notified), "another is seen", within_s=20)
            place.client.zadd(not_notified, {f"rogue-device|R1 {mac(8)}": 1})
            eventually(lambda: len(inbox.mails) > 1, "a mail of the other", within_s=20)
            # rounds have gone by, and the first was not told again
            assert inbox.titles[1:] == [f"Leasewire tests: warning: rogue-device R1 {mac(8)}"]
            assert PASSWORD not in place.log_text()
            shown = place.leasewire("alerts", "list", "--json")
            assert (shown.returncode, shown.stdout.count('"kind": "rogue-device"')) == (1, 2)
    finally:
        server.stop()
