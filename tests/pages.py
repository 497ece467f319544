"""What the tests of the pages share: a visit that fails on whatever must never happen."""

from axe_playwright_python.sync_playwright import Axe


class visit:
    """A visit to a page in a fresh profile, as a context manager that gives the page.

    ``wrongs`` collects errors, messages in the console, dialogs, and requests to anywhere but the
    page's own address: leaving the visit asserts that there were none. ``context`` goes to
    Playwright's ``new_context``.
    """

    def __init__(self, browser, address, **context):
        self.context = browser.new_context(
            **({"viewport": {"width": 1280, "height": 900}} | context)
        )
        self.address, self.wrongs = address, []

    def __enter__(self):
        page = self.context.new_page()
        page.on("pageerror", lambda error: self.wrongs.append(f"error: {error}"))
        page.on("console", lambda message: self.wrongs.append(f"console: {message.text}"))
        page.on("dialog", lambda dialog: (self.wrongs.append("dialog"), dialog.dismiss()))
        page.on("request", self.request)
        page.goto(self.address)
        return page

    def request(self, request):
        own = request.url.partition("#")[0] == self.address.partition("#")[0]
        if not own and not request.url.startswith(("data:", "blob:")):
            self.wrongs.append(f"request: {request.url}")

    def __exit__(self, *failure):
        self.context.close()
        assert failure[0] or not self.wrongs


def violations(page) -> list[str]:
    """What axe-core finds wrong with the page as it is; the context must bypass the page's CSP."""
    found = Axe().run(page).response["violations"]
    return [f"{one['id']}: {[node['html'][:120] for node in one['nodes']]}" for one in found]
