"""A browser without a window, driven by the WebDriver protocol."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import requests

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from typing_extensions import Self

TIMEOUT_SECONDS = 60
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
_ARGUMENTS = ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--no-first-run", "--disable-gpu")


class Seen(NamedTuple):
    """An answer that the browser got."""

    method: str
    url: str
    status: int


class Browser:
    """Chromium, started for one test; a context manager.

    Args:
        folder: Folder for its profile.
        host_names: Names that lead to this machine.
    """

    def __init__(self, folder: Path, *host_names: str) -> None:
        browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
        if browser is None or driver is None:
            pytest.fail("There is no browser. Install one with: apt-get install chromium chromium-driver")
        self._driver = subprocess.Popen([driver, "--port=0"], stdout=subprocess.PIPE, text=True, cwd=folder)
        started = next(
            found
            for line in self._driver.stdout or ()
            if (found := re.search(r"started successfully on port (\d+)", line))
        )
        self._session = requests.Session()
        self._session.trust_env = False
        self._url = f"http://127.0.0.1:{started[1]}"
        rules = ", ".join(f"MAP {name} 127.0.0.1" for name in host_names)
        arguments = [*_ARGUMENTS, f"--user-data-dir={folder / 'profile'}", f"--host-resolver-rules={rules}"]
        options = {"binary": browser, "args": arguments}
        wanted = {
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"performance": "ALL"},
            "timeouts": {"implicit": 30_000},  # how long elements are waited for, in milliseconds
        }
        opened = self._ask("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        self._url += f"/session/{opened['sessionId']}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ask("DELETE", "")
        self._session.close()
        self._driver.terminate()
        self._driver.wait()
        if self._driver.stdout:
            self._driver.stdout.close()

    def open(self, url: str) -> None:
        """Go to an address, as if the user had typed it, and wait until the page is there."""
        self._ask("POST", "/url", {"url": url})

    @property
    def url(self) -> str:
        """The address in the address bar."""
        return str(self._ask("GET", "/url"))

    @property
    def text(self) -> str:
        """The text of the page."""
        return str(self.run("return document.body.innerText"))

    def run(self, script: str, *arguments: Any) -> Any:
        """Run the body of an asynchronous function in the page, and return what it returns."""
        wrapped = (
            f"const done = arguments[arguments.length - 1]; (async function () {{ {script} }}).apply(null, arguments)"
        )
        wrapped += ".then(done, error => done(String(error)))"
        return self._ask("POST", "/execute/async", {"script": wrapped, "args": arguments})

    def click(self, selector: str) -> None:
        """Click the element that a CSS selector finds."""
        self._ask("POST", f"/element/{self._find(selector)}/click", {})

    def type(self, selector: str, text: str) -> None:
        """Type into an element."""
        self._ask("POST", f"/element/{self._find(selector)}/value", {"text": text})

    def cookies(self) -> list[dict[str, Any]]:
        """Return the cookies of the present page."""
        found: list[dict[str, Any]] = self._ask("GET", "/cookie")
        return found

    def seen(self) -> list[Seen]:
        """Return the answers since the last call."""
        entries = self._ask("POST", "/se/log", {"type": "performance"})
        events = [json.loads(entry["message"])["message"] for entry in entries]
        methods = {
            event["params"]["requestId"]: event["params"]["request"]["method"]
            for event in events
            if event["method"] == "Network.requestWillBeSent"
        }
        return [
            Seen(methods.get(event["params"]["requestId"], ""), response["url"], response["status"])
            for event in events
            if event["method"] == "Network.responseReceived"
            for response in [event["params"]["response"]]
        ]

    def _find(self, selector: str) -> str:
        found = self._ask("POST", "/element", {"using": "css selector", "value": selector})
        return str(found[_ELEMENT])

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        answer = self._session.request(method, self._url + path, json=body, timeout=TIMEOUT_SECONDS)
        assert answer.ok, answer.text
        return answer.json()["value"]
