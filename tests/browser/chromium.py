"""A real Chromium, driven by Selenium, with what the tests of the console ask of it."""

import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from tests.waiting import eventually

CHROMIUM: Final = "/usr/bin/chromium"
DRIVER: Final = "/usr/bin/chromedriver"
AXE: Final = Path(__file__).parent / "node_modules/axe-core/axe.min.js"
WIDE: Final = 1440
NARROW: Final = 360
_MOST_TABS: Final = 80
_HEIGHT: Final = 900
_OPTIONS: Final = (
    "--headless=new",
    "--no-sandbox",  # it refuses to start as root otherwise
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--lang=en",
    "--hide-scrollbars",
    # Nothing beyond this host, whatever a page asks for.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)


class Chromium:
    """One browser with one window.

    Args:
        profile: folder for its data.

    Attributes:
        driver: Selenium's.
        base: address of the gateway, such as `http://127.0.0.1:8080`.
        expected: parts of the console's messages that are part of the test, such as "403".
    """

    def __init__(self, profile: Path) -> None:
        options = webdriver.ChromeOptions()
        options.binary_location = CHROMIUM
        for option in (*_OPTIONS, f"--user-data-dir={profile}"):
            options.add_argument(option)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        service = webdriver.ChromeService(DRIVER)
        self.driver = webdriver.Chrome(options, service)
        self.base = ""
        self.expected: Collection[str] = ()
        self._axe = AXE.read_text()

    def reset(self) -> None:
        """Begin a test: no cookies, a wide light window, nothing noted."""
        self.driver.get("about:blank")
        self.cdp("Network.clearBrowserCookies")
        self.look()
        self.scripts(on=True)
        self.zone("UTC")
        self.problems()
        self.expected = ()

    def log_in(self, session: str) -> None:
        """Have a session, as after a login.

        Args:
            session: its token.
        """
        address = f"{self.base}/console/"
        name = "leasewire_session"
        self.cdp("Network.setCookie", url=address, name=name, value=session, path="/console")

    def look(self, width: int = WIDE, scheme: str = "light", height: int = _HEIGHT) -> None:
        """Set the width of the window (px) and the colour scheme that the reader prefers."""
        self.cdp(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.cdp("Emulation.setEmulatedMedia", features=features)

    def zone(self, name: str) -> None:
        """Set the reader's time zone."""
        self.cdp("Emulation.setTimezoneOverride", timezoneId=name)

    def scripts(self, *, on: bool) -> None:
        """Let pages run scripts, or not."""
        self.cdp("Emulation.setScriptExecutionDisabled", value=not on)

    def open(self, path: str) -> None:
        """Open a page below `/console`."""
        self.driver.get(f"{self.base}/console{path}")

    @property
    def path(self) -> str:
        """The address of the page, below `/console`."""
        parts = urlsplit(self.driver.current_url)
        return parts.path.removeprefix("/console") + (f"?{parts.query}" if parts.query else "")

    @property
    def text(self) -> str:
        """What the page says."""
        return self.find("body").text

    def find(self, selector: str) -> WebElement:
        """The first element of a CSS selector."""
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector: str) -> list[WebElement]:
        """The elements of a CSS selector."""
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def click(self, text: str, within: str = "main") -> None:
        """Click the link or button of this text, and wait for the page it leads to.

        Args:
            text: all that it says.
            within: name of the element that holds it: `main` or `header`.
        """
        clickable = f"//{within}//*[self::a or self::button][normalize-space()='{text}']"
        with self.leads_on(text):
            self.driver.find_element(By.XPATH, clickable).click()

    def follow(self, row: WebElement, text: str) -> None:
        """Click the link of this text in a row, and wait for the page it leads to."""
        with self.leads_on(text):
            row.find_element(By.LINK_TEXT, text).click()

    @contextmanager
    def leads_on(self, what: str) -> Iterator[None]:
        """Wait at the end of the block until it has led to another page, which is there."""
        before = self._page()
        yield
        eventually(lambda: self._page() not in (None, before), f"{what} led on")

    @contextmanager
    def stays(self) -> Iterator[None]:
        """Make sure that the same page is there at the end of the block."""
        before = self._page()
        yield
        assert self._page() == before, "the page was loaded again"

    def _page(self) -> float | None:
        """When this page began, which names it; None: it is not there yet."""
        loaded = "return document.readyState == 'complete' ? performance.timeOrigin : null"
        try:
            return self.driver.execute_script(loaded)
        except WebDriverException:  # between two pages
            return None

    def fill(self, name: str, value: str) -> None:
        """Write into the field of the page's content with this name."""
        field = self.find(f"main [name='{name}']")
        field.clear()
        field.send_keys(value)

    def type(self, *keys: str) -> None:
        """Press keys, wherever the focus is."""
        ActionChains(self.driver).send_keys(*keys).perform()

    def tab_to(self, name: str) -> None:
        """Press Tab until what has this accessible name has the focus."""
        for _ in range(_MOST_TABS):
            self.type(Keys.TAB)
            if self.driver.switch_to.active_element.accessible_name == name:
                return
        raise AssertionError(f"{name} is not reached by {_MOST_TABS} tabs")

    def decide(self, button: str, reason: str) -> None:
        """Give a reason, and press the button of the form."""
        self.fill("reason", reason)
        self.click(button)

    def scrolls_sideways(self) -> bool:
        """Whether the page as a whole is wider than its window."""
        wider = "const e = document.documentElement; return e.scrollWidth > e.clientWidth"
        return bool(self.driver.execute_script(wider))

    @property
    def height(self) -> int:
        """Height of the whole page (px)."""
        return int(self.driver.execute_script("return document.documentElement.scrollHeight"))

    def violations(self, *rules: str) -> list[str]:
        """What axe-core finds wrong with the page.

        Args:
            rules: those to apply; none: all.
        """
        if not self.driver.execute_script("return 'axe' in window"):
            self.cdp("Runtime.evaluate", expression=f"{self._axe};0")
        found = self.driver.execute_async_script(
            "const [rules, done] = arguments, chosen = rules.length ? {runOnly: rules} : {};"
            "axe.run({resultTypes: ['violations'], ...chosen}).then(done)",
            rules,
        )
        return [
            f"{violation['id']}: {node['html']}: {node['failureSummary']}"
            for violation in found["violations"]
            for node in violation["nodes"]
        ]

    def problems(self) -> list[str]:
        """Errors in the browser's console, and requests to other hosts, since it was asked last."""
        said = [
            line["message"]
            for line in self.driver.get_log("browser")
            if line["level"] in ("SEVERE", "WARNING")
        ]
        asked = [
            json.loads(line["message"])["message"] for line in self.driver.get_log("performance")
        ]
        addresses = [
            message["params"]["request"]["url"]
            for message in asked
            if message["method"] == "Network.requestWillBeSent"
        ]
        elsewhere = [
            f"asked for {address}"
            for address in addresses
            if address.startswith(("http", "ws")) and not address.startswith(f"{self.base}/")
        ]
        unexpected = [text for text in said if not any(part in text for part in self.expected)]
        return elsewhere + unexpected

    def cdp(self, command: str, **arguments: Any) -> Any:
        """Run a command of the browser's protocol for developers."""
        return self.driver.execute_cdp_cmd(command, arguments)

    def quit(self) -> None:
        """End it."""
        self.driver.quit()
