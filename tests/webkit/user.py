"""A person at a WebKitGTK window, and what they do with EZ-DMS."""

from __future__ import annotations

from tests.browser.lies.peers import Peer
from tests.browser.lies.stage import ANEW
from tests.conftest import Server
from tests.support.someone import GO
from tests.webkit.window import Window

DESKTOP = (1280, 800)
IS_IN = """() => document.querySelector("my-search-pin output")?.textContent ? "in"
    : document.querySelector("log-in fieldset:enabled") && "out" """
READS_PIN = "(pin) => document.querySelector('[data-testid=my-search-pin]')?.textContent === pin"


class WebKitUser:
    """A person with their own window."""

    def __init__(self, window: Window, server: Server, name: str) -> None:
        self.window = window
        self.server = server
        self.name = name
        self.login_pin = ""
        self.search_pin = ""

    def creates_an_account(self) -> WebKitUser:
        """Go from the front page to the empty list."""
        self.window.open(self.server.url)
        self.window.fill("Username", self.name)
        self.window.press("Create account")
        read = "(name) => document.querySelector(`[data-testid=${name}]`)?.textContent"
        self.search_pin = self.window.until(read, "search-pin")
        self.login_pin = self.window.run(read, "login-pin")
        self.window.fill("Last 4 characters of your Login PIN", self.login_pin[-4:])
        self.window.press("Continue")
        self.window.until(READS_PIN, self.search_pin)
        return self

    def is_at_the_list(self) -> WebKitUser:
        """Go to the list: logged in, on a large screen, in no conversation."""
        self.window.resize(*DESKTOP)
        self.window.open(self.server.url)
        if self.window.until(IS_IN) == "out":
            self.logs_in()
        return self

    def logs_in(self) -> None:
        """Log in with the Login PIN, from the front page to the list."""
        self.window.fill("Login PIN", self.login_pin)
        self.window.press("Log in")
        self.window.until(READS_PIN, self.search_pin)

    def new_chat(self) -> None:
        """Open “New chat”, unless it is open. What comes late moves the button, and a click may miss it."""
        for _ in range(3):
            if self.window.has("textbox", "Their Search PIN"):
                return
            self.window.press("New chat")

    def looks_up(self, search_pin: str) -> None:
        """Enter a Search PIN in “New chat”."""
        self.new_chat()
        self.window.fill("Their Search PIN", search_pin)
        self.window.press("Start")

    def logs_out(self) -> None:
        """Log out and wait for the front page."""
        self.window.press("Settings", "link")
        for words in ("this tab", "You have not blocked anyone.", "Two-step login is off."):
            self.window.reads(words)  # comes late and moves the button, which a click would miss
        self.window.press("Log out", scope="log-out")
        self.window.reads("Do you have it?")
        self.window.press("Log out", scope="log-out")
        self.window.element("button", "Log in")

    def goes_to(self, path: str) -> Window:
        """Go to the list or a conversation, by a load only if the page shows neither: that costs as much as a test."""
        if not self.window.run(GO, path):
            self.window.open(self.server.url + path)
        return self.window

    def opens(self, peer: Peer) -> WebKitUser:
        """Open the conversation with a program and wait until the message field is enabled."""
        self.goes_to(f"/c/{peer.conversation}").element("textbox", "Message")
        return self

    def opens_anew(self, peer: Peer) -> Window:
        """Open the conversation with a program as if it never was open: what remains is what the browser stores."""
        if not self.window.run(ANEW, peer.conversation):
            self.window.open(f"{self.server.url}/c/{peer.conversation}")
        return self.window

    def writes(self, text: str) -> None:
        """Type and press the button."""
        self.window.fill("Message", text)
        self.window.press("Send")
