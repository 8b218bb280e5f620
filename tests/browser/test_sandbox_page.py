"""The sandbox in a real browser: its own page works, and pages of other origins can neither change nor read it."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import pytest
import requests

from tests.browser.webdriver import TIMEOUT_SECONDS, Browser

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

FOREIGN_NAME = "evil.example"

ATTACKS = """
const [url, key] = arguments;
const seed = '{"contacts": [{"email": "planted@example.com"}]}';
const settled = [];
function wait(element, ...names) {
  settled.push(new Promise(done => [...names, "load", "error"].forEach(name => element.addEventListener(name, done))));
  return element;
}
function frame(attributes) {
  return Object.assign(wait(document.createElement("iframe")), attributes);
}
function post(path, name, value) {
  const target = frame({name: "frame" + document.forms.length}), form = document.createElement("form");
  Object.assign(form, {method: "post", action: url + path, target: target.name, enctype: "text/plain"});
  form.append(Object.assign(document.createElement("input"), {name: name, value: value}));
  document.body.append(target, form);
  form.submit();
}
const read = [];
async function ask(path, options) {
  try {
    const response = await fetch(url + path, {credentials: "include", ...options});
    read.push(response.type === "opaque" ? "" : await response.text());
  } catch (error) { read.push(""); }
}
post("/_sandbox/reset", "", "");
post("/_sandbox/seed", '{"contacts": [{"email": "planted@example.com", "first_name": "', '"}]}');
post("/v3/marketing/lists", '{"name": "', 'planted"}');
post("/", "search", "ada");
for (const path of ["/_sandbox/reset", "/_sandbox/seed", "/_sandbox/keys", "/v3/marketing/lists"]) {
  for (const type of ["text/plain", "application/json"]) {
    for (const mode of ["no-cors", "cors"]) {
      await ask(path, {method: "POST", mode: mode, body: seed, headers: {"Content-Type": type}});
    }
  }
  navigator.sendBeacon(url + path, seed);
}
for (const method of ["PUT", "PATCH", "DELETE"]) {
  const headers = {"Content-Type": "text/plain", Authorization: "Bearer " + key};
  await ask("/v3/marketing/contacts?delete_all_contacts=true", {method: method, body: seed, headers: headers});
  await ask("/_sandbox/options", {method: method, body: "{}"});
}
for (const path of ["/", "/_sandbox/keys", "/_sandbox/contacts", "/_sandbox/requests", "/v3/scopes"]) {
  for (const mode of ["no-cors", "cors"]) {
    await ask(path, {mode: mode});
  }
  await ask(path, {headers: {"Sandbox-Token": "x"}});
  document.body.append(Object.assign(wait(new Image()), {src: url + path + "?image"}));
  document.body.append(Object.assign(wait(document.createElement("script")), {src: url + path + "?script"}));
  const shown = frame({src: url + path + "?frame"});
  document.body.append(shown);
}
await Promise.all(settled);
for (const shown of document.querySelectorAll("iframe")) {
  try { read.push(shown.contentDocument ? shown.contentDocument.body.innerText : ""); } catch (error) { read.push(""); }
}
return read.join("");
"""


class Sandbox(NamedTuple):
    """A sandbox in a process of its own."""

    url: str
    link: str
    key: str

    def control(self, method: str, path: str, **options: Any) -> Any:
        """Call the control plane as a program does."""
        headers = {"Sandbox-Token": self.link.partition("token=")[2]}
        answer = requests.request(method, self.url + path, headers=headers, timeout=TIMEOUT_SECONDS, **options)
        answer.raise_for_status()
        return answer.json()

    def everything(self) -> Any:
        """Return all that a page could have changed."""
        names = (
            "contacts?detail=true",
            "jobs",
            "suppressions",
            "erasures",
            "keys",
            "options",
            "faults",
            "requests",
            "violations",
        )
        return [self.control("GET", f"/_sandbox/{name}") for name in names]


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    command = [sys.executable, "-m", "target_sendgrid.sandbox", "serve", "--port", "0", "--until-stdin-closes"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        text = "".join(iter(process.stdout.readline, "Stop it with Ctrl-C.\n"))
        url, link = re.findall(r"http://\S+", text)[:2]
        one = Sandbox(url, link, text.partition("API_KEY=")[2].strip())
        people = [{"email": f"{name}@example.com", "lists": [name.title()]} for name in ("ada", "grace")]
        one.control("POST", "/_sandbox/seed", json={"contacts": people})
        yield one
        if process.stdin:
            process.stdin.close()


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    with Browser(tmp_path, FOREIGN_NAME) as one:
        yield one


@contextmanager
def serving(page: str, headers: Mapping[str, str] = MappingProxyType({})) -> Iterator[int]:
    """Serve a page on a port of its own, and return the port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            for name, value in {"Content-Type": "text/html", **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(page.encode())

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as the standard library has it
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


EMPTY = "<!doctype html><title>Foreign</title><body></body>"


def test_the_printed_link_opens_the_page_and_leaves_the_address_bar(browser: Browser, sandbox: Sandbox) -> None:
    browser.open(sandbox.link)
    assert browser.url == f"{sandbox.url}/"
    assert "ada@example.com" in browser.text
    assert browser.run("return document.cookie + document.referrer") == ""
    [cookie] = browser.cookies()
    assert cookie["name"] == f"sandbox-token-{urlsplit(sandbox.url).port}"
    assert (cookie["httpOnly"], cookie["sameSite"], "expiry" in cookie) == (True, "Strict", False)
    assert sandbox.link.partition("token=")[2] not in browser.run("return document.documentElement.outerHTML")


def test_the_page_searches_and_leads_on(browser: Browser, sandbox: Sandbox) -> None:
    browser.open(sandbox.link)
    browser.type("input[name=search]", "grace")
    browser.click("form button")
    assert "?search=grace" in browser.url
    assert "grace@example.com" in browser.text
    assert "ada@example.com" not in browser.text
    browser.click("table a[href^='?list=']")
    assert "ada@example.com" in browser.text
    browser.click("a[href$='/options']")
    assert "rate_limit_enabled" in browser.text


def test_the_page_is_styled(browser: Browser, sandbox: Sandbox) -> None:
    browser.open(sandbox.link)
    assert browser.run("return getComputedStyle(document.querySelector('header')).borderBottomWidth") == "3px"


def test_the_page_without_its_link_says_what_to_do(browser: Browser, sandbox: Sandbox) -> None:
    browser.open(sandbox.url)
    assert "open that link in a browser" in browser.text
    assert "ada" not in browser.text


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", FOREIGN_NAME])
def test_the_link_may_be_on_a_page_of_another_origin(browser: Browser, sandbox: Sandbox, name: str) -> None:
    with serving(f'<!doctype html><a href="{sandbox.link}">the sandbox</a>') as port:
        browser.open(f"http://{name}:{port}/")
        browser.click("a")
        browser.click("input[name=search]")  # waits for the page
        assert browser.url == f"{sandbox.url}/"
        assert "ada@example.com" in browser.text


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", FOREIGN_NAME])
def test_a_page_of_another_origin_changes_and_reads_nothing(
    browser: Browser, sandbox: Sandbox, name: str, host: str
) -> None:
    url = sandbox.url.replace("127.0.0.1", host)
    browser.open(sandbox.link.replace("127.0.0.1", host))
    before = sandbox.everything()
    with serving(EMPTY) as port:
        browser.open(f"http://{name}:{port}/")
        browser.seen()
        assert browser.run(ATTACKS, url, sandbox.key) == ""
    check_refusals(browser, url)
    assert sandbox.everything() == before


def test_a_page_in_a_file_changes_and_reads_nothing(browser: Browser, sandbox: Sandbox, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(EMPTY, encoding="utf-8")
    browser.open(sandbox.link)
    before = sandbox.everything()
    browser.open(page.as_uri())
    browser.seen()
    assert browser.run(ATTACKS, sandbox.url, sandbox.key) == ""
    check_refusals(browser, sandbox.url)
    assert sandbox.everything() == before


@pytest.mark.parametrize("name", ["127.0.0.1", FOREIGN_NAME])
def test_a_page_without_an_origin_changes_and_reads_nothing(browser: Browser, sandbox: Sandbox, name: str) -> None:
    browser.open(sandbox.link)
    before = sandbox.everything()
    with serving(EMPTY, {"Content-Security-Policy": "sandbox allow-scripts allow-forms"}) as port:
        browser.open(f"http://{name}:{port}/")
        assert browser.run("return self.origin") == "null"
        browser.seen()
        assert browser.run(ATTACKS, sandbox.url, sandbox.key) == ""
    check_refusals(browser, sandbox.url)
    assert sandbox.everything() == before


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", FOREIGN_NAME])
def test_a_form_that_leads_the_whole_window_there_changes_nothing(
    browser: Browser, sandbox: Sandbox, name: str
) -> None:
    browser.open(sandbox.link)
    before = sandbox.everything()
    with serving(f'<form method="post" action="{sandbox.url}/_sandbox/reset"><button>win</button></form>') as port:
        browser.open(f"http://{name}:{port}/")
        browser.click("button")
        assert browser.url == f"{sandbox.url}/_sandbox/reset"
        assert "web pages of another origin" in browser.text
    assert sandbox.everything() == before


def test_a_host_name_that_leads_to_this_machine_reads_nothing(browser: Browser, sandbox: Sandbox) -> None:
    before = sandbox.everything()
    browser.open(sandbox.link.replace("127.0.0.1", FOREIGN_NAME))
    assert "under its own address" in browser.text
    browser.open(sandbox.url.replace("127.0.0.1", FOREIGN_NAME) + "/v3/scopes")
    script = "const answer = await fetch('/_sandbox/reset', {method: 'POST'}); return answer.status"
    assert browser.run(script) == 403
    assert browser.cookies() == []
    assert sandbox.everything() == before


def check_refusals(browser: Browser, url: str) -> None:
    seen = [one for one in browser.seen() if one.url.startswith(url)]
    assert {one.status for one in seen} <= {401, 403}, [one for one in seen if one.status not in {401, 403}]
    tried = {(one.method, urlsplit(one.url).path) for one in seen}
    assert {("POST", path) for path in ("/", "/_sandbox/reset", "/_sandbox/seed", "/v3/marketing/lists")} <= tried
    assert {("GET", path) for path in ("/", "/_sandbox/keys", "/_sandbox/contacts", "/v3/scopes")} <= tried
