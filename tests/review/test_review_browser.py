"""The review page as a person uses it, in headless Chromium."""

import io
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
import uvicorn
from PIL import Image
from review_kit import SUBJECT, fill, session

from wunderkammer.review.app import review_app
from wunderkammer.review.decision import ACCEPT, REJECT
from wunderkammer.review.journal import decisions_prefix, read_decisions
from wunderkammer.review.pictures import Pictures
from wunderkammer.review.standing import Standing
from wunderkammer.sources.params import PatchworkParams
from wunderkammer.sources.patchwork import patchwork_items
from wunderkammer.storage.blobs import Blobs
from wunderkammer.storage.store import Store

BIN = Path(sys.executable).parent
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
NUM_CROPS = 200
SCREENSHOTS = os.environ.get("WUNDERKAMMER_SCREENSHOTS")
# Quilts take 30 ms each to draw: all different ones are for the docs only.
NUM_QUILTS, SIDE_PX = (NUM_CROPS, 480) if SCREENSHOTS else (8, 160)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
]

# All but what is fully transparent; text against the first opaque ground behind it.
CONTRASTS = """() => {
  const parse = (css) => css.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const [r, g, b, a = 1] = parse(getComputedStyle(e).backgroundColor);
      if (a === 1) return [r, g, b];
    }
    return parse(getComputedStyle(document.body).backgroundColor);
  };
  const texts = [...document.querySelectorAll("body *")].filter((element) =>
    element.checkVisibility() &&
    [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim()));
  return texts.map((element) => {
    const [a, b] = [light(parse(getComputedStyle(element).color)), light(ground(element))];
    return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), element.outerHTML.slice(0, 80)];
  });
}"""
NAMELESS = """() => [...document.querySelectorAll("button, select, input, [role], dialog, a")]
  .filter((e) => !e.matches("[role=presentation], [role=status], [role=alert]"))
  .filter((e) => !(e.ariaLabel || e.textContent.trim() || e.labels?.length
    || e.getAttribute("aria-labelledby")))
  .map((e) => e.outerHTML)"""


def quilts(store):
    """Columns of crops of real-looking pictures; each has bytes of its own."""
    params = PatchworkParams(kind="patchwork", num_quilts=NUM_QUILTS, side_px=SIDE_PX)
    drawn = [item.read() for item in patchwork_items(params)[:NUM_QUILTS]]
    columns = {name: [] for name in ("sha256", "crop_sha256", "source_width", "source_height")}
    edges = {f"box_{edge}": [] for edge in ("x0", "y0", "x1", "y1")}
    objects = {f"object_{edge}": [] for edge in ("x0", "y0", "x1", "y1")}
    for number in range(NUM_CROPS):
        content = drawn[number % NUM_QUILTS] + str(number).encode()
        image = Image.open(io.BytesIO(content))
        width, height = image.size
        side = round(0.9 * min(width, height))
        x0, y0 = (width - side) // 2, (height - side) // 2
        window = (x0, y0, x0 + side, y0 + side)
        sink = io.BytesIO()
        image.crop(window).resize((128, 128)).save(sink, "JPEG")
        columns["sha256"].append(Blobs(store).put(content))
        columns["crop_sha256"].append(Blobs(store).put(sink.getvalue() + str(number).encode()))
        columns["source_width"].append(width)
        columns["source_height"].append(height)
        margin = side // 12
        inner = [*(edge + margin for edge in window[:2]), *(edge - margin for edge in window[2:])]
        for name, edge in zip(edges, window, strict=True):
            edges[name].append(edge)
        for name, edge in zip(objects, inner, strict=True):
            objects[name].append(float(edge))
    return {**columns, **edges, **objects, "class_name": ["quilt"] * NUM_CROPS}


@pytest.fixture(scope="module")
def crops(tmp_path_factory):
    """A store with 200 crops, drawn once."""
    store = Store(str(tmp_path_factory.mktemp("data")))
    fill(store, NUM_CROPS, with_pictures=False, **quilts(store))
    return store


@pytest.fixture
def store(crops):
    """The same without the decisions of another test."""
    for key in list(crops.keys(decisions_prefix(SUBJECT))):
        crops.delete(key)
    return crops


@pytest.fixture
def url(store):
    """The page, served from a thread."""
    app = review_app(session(store), Pictures(Blobs(store)), token="token")
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off", ws="none"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/token/"
        server.should_exit = True
        thread.join()


class Command:
    """`wunderkammer review`, in a process of its own."""

    def __init__(self, workplace, store):
        workplace.write(SUBJECT, review={"gate": "all"})
        command = [BIN / "wunderkammer", "review", SUBJECT, "--reviewer", "ann"]
        environ = {**os.environ, **workplace.environ, "WUNDERKAMMER_DATA": store.location}
        self.process = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True)
        told = ""
        while "Ctrl-C" not in told:
            line = self.process.stdout.readline()
            assert line, told
            told += line
        assert f"{NUM_CROPS} crops, 0 of them decided" in told
        self.url = re.search(r"http://127\.0\.0\.1:\d+/\S+/", told).group()

    def stop(self, number):
        self.process.send_signal(number)
        code = self.process.wait(timeout=30)
        self.process.stdout.close()
        return code


@pytest.fixture
def command(workplace, store):
    command = Command(workplace, store)
    try:
        yield command
    finally:
        if command.process.poll() is None:
            assert command.stop(signal.SIGINT) == 0


@pytest.fixture(scope="module")
def chromium():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


class Tab:
    """A tab with the page, and what a person reads on it."""

    def __init__(self, context, url):
        self.url = url
        self.faults = []
        self.page = context.new_page()
        self.page.set_default_timeout(60_000)
        self.page.on("console", self.on_console)
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("request", self.on_request)
        self.page.goto(url)
        self.ready()

    def on_console(self, message):
        if message.type in ("error", "warning"):
            self.faults.append(message.text)

    def on_request(self, request):
        if not request.url.startswith(self.url):
            self.faults.append(f"asked for {request.url}")

    def ready(self):
        self.page.locator("body[data-ready]").wait_for()

    def press(self, *keys):
        for key in keys:
            self.page.keyboard.press(key)

    def counts(self, accepted, rejected):
        undecided = NUM_CROPS - accepted - rejected
        words = f"{accepted} accepted, {rejected} rejected, {undecided} undecided"
        self.page.wait_for_function(
            "words => document.getElementById('counts').textContent.startsWith(words)", arg=words
        )

    def saved(self):
        self.page.wait_for_function(
            "() => document.getElementById('saving').textContent === 'all saved'"
        )

    def text(self, id_):
        return self.page.locator(f"#{id_}").text_content()

    def chosen(self):
        return self.page.locator(".tile[aria-selected=true]")

    def seen(self):
        """Wait until every picture in sight is there."""
        self.page.wait_for_function(
            """() => [...document.querySelectorAll('.tile img')]
                .filter((image) => image.getBoundingClientRect().top < innerHeight)
                .every((image) => image.complete && image.naturalWidth)"""
        )


def screenshot(page, name):
    if SCREENSHOTS:
        page.screenshot(path=Path(SCREENSHOTS) / f"{name}.png")


def standing(store):
    """Decisions in force, as a program reads them."""
    return Standing(read_decisions(store, SUBJECT), min_same_iou=0.9).in_force()


def test_200_crops_are_reviewed_by_keyboard_through_a_reload_a_second_tab_and_a_kill(
    command, store, chromium
):
    context = chromium.new_context(viewport={"width": 1280, "height": 800})
    tab = Tab(context, command.url)
    page = tab.page
    assert page.evaluate("document.activeElement.id") == "sheet"
    assert 20 < page.locator(".tile").count() < 120  # those near what is seen, no more
    tab.seen()
    assert page.locator("#sort").input_value() == "-uncertainty"

    # The sheet: accept, reject with and without a reason, undo, go back and think again.
    start = time.perf_counter()
    tab.press(*"aaaa1aa4araaaaaaaaaa2aa")
    tab.saved()
    tab.counts(19, 4)
    tab.press("u", "u", "u")
    tab.counts(17, 3)
    tab.press("Control+z", "a", "a", "a", "a")
    tab.counts(20, 3)
    screenshot(page, "review_sheet")

    # The single view: move and resize the window, then the object's box.
    tab.press("Enter")
    page.locator("#picture").wait_for(state="visible")
    before = tab.text("box-text")
    tab.press("l", "l", "Shift+j", "s", "s", "Shift+ArrowUp", "Control+ArrowDown")
    assert tab.text("box-text") != before
    assert "accept to keep it" in tab.text("box-text")
    screenshot(page, "review_single")
    tab.press("a", "o", "h", "Control+ArrowLeft", "d", "a", "0", "a", "a", "1", "ArrowLeft")
    assert "rejected: not the subject" in tab.text("single-state")
    tab.press("Backspace")
    tab.counts(24, 3)
    tab.press("?")
    assert page.locator("#help").is_visible()
    tab.press("a", "Escape", "Escape")
    tab.counts(24, 3)
    assert page.locator("#single").is_hidden()

    # A reload with decisions on their way: the tab comes back where it was, nothing is lost.
    place = tab.chosen().get_attribute("aria-posinset")
    tab.press(*"aaaaar")
    page.reload()
    tab.ready()
    tab.counts(29, 4)
    assert int(tab.chosen().get_attribute("aria-posinset")) == int(place) + 6

    # A second tab sees it all, decides, and the first one learns of it.
    second = Tab(context, command.url)
    second.counts(29, 4)
    second.press("End", "r", "r")
    second.saved()
    tab.counts(29, 5)

    # The rest, page by page.
    page.bring_to_front()
    while page.locator("#counts", has_text=", 0 undecided").count() == 0:
        tab.press("Home", "n", "Shift+A")
        tab.saved()
    seconds = time.perf_counter() - start
    tab.counts(195, 5)
    second.counts(195, 5)
    print(f"{NUM_CROPS} crops in {seconds:.1f} s: {NUM_CROPS / seconds:.0f} a second")

    command.stop(signal.SIGKILL)
    found = standing(store)
    assert Counter(one.decision for one in found) == {ACCEPT: 195, REJECT: 5}
    assert sum(one.window is not None for one in found) == 1
    assert sum(one.object_box is not None for one in found) == 1
    assert {one.reviewer for one in found} == {"ann"}
    assert tab.faults == second.faults == []
    page.get_by_text("The review has ended").wait_for()
    context.close()


def test_without_keys_or_mouse_on_a_phone(url, store, chromium):
    context = chromium.new_context(
        viewport={"width": 390, "height": 760}, has_touch=True, is_mobile=True
    )
    tab = Tab(context, url)
    page = tab.page
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_role("button", name="Accept", exact=False).first.tap()
    page.get_by_role("button", name="blurred").tap()
    tab.counts(1, 1)
    page.get_by_role("button", name="Undo").tap()
    tab.counts(1, 0)
    page.locator("#crop-4").tap()
    page.locator("#crop-4").tap()
    page.locator("#picture").wait_for(state="visible")
    before = tab.text("box-text")
    page.get_by_role("button", name="Smaller").tap()
    page.get_by_role("button", name="Smaller").tap()
    assert tab.text("box-text") != before
    page.locator("#window-box").scroll_into_view_if_needed()
    drag(context, page, page.locator("#window-box"), -30, -20)
    screenshot(page, "review_phone")
    page.get_by_role("button", name="Accept").tap()
    tab.counts(2, 0)
    tab.saved()
    (corrected,) = [one for one in standing(store) if one.window is not None]
    proposed = corrected.proposal.window
    assert corrected.window.x1 - corrected.window.x0 < proposed.x1 - proposed.x0
    assert corrected.window.x0 + corrected.window.x1 < proposed.x0 + proposed.x1
    page.get_by_role("button", name="Sheet").tap()
    page.get_by_role("button", name="Filter").tap()
    page.get_by_label("Decision", exact=True).select_option("corrected")
    assert page.locator(".tile").count() == 1
    page.get_by_label("Decision", exact=True).select_option("")
    page.get_by_label("Source").select_option(label="flickr")
    page.get_by_label("Order").select_option("+sharpness")
    assert tab.text("counts").endswith("(listed: 100)")
    assert tab.faults == []
    context.close()


def drag(context, page, element, dx, dy):
    """One finger down in the middle of an element, moved, and up."""
    box = element.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    client = context.new_cdp_session(page)

    def touch(kind, *points):
        client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": list(points)})

    touch("touchStart", {"x": x, "y": y})
    for step in range(1, 5):
        touch("touchMove", {"x": x + dx * step / 4, "y": y + dy * step / 4})
    touch("touchEnd")
    # At once, the next tap would be taken for the second half of a double tap.
    page.wait_for_timeout(350)


def test_everything_has_a_name_and_a_contrast_and_nothing_moves_that_should_not(url, chromium):
    for scheme in ("light", "dark"):
        context = chromium.new_context(color_scheme=scheme, reduced_motion="reduce")
        tab = Tab(context, url)
        page = tab.page
        tab.press("a", "2")
        assert page.evaluate(NAMELESS) == []
        for keys in ((), ("Enter",), ("?",)):
            tab.press(*keys)
            poor = [told for ratio, told in page.evaluate(CONTRASTS) if ratio < 4.5]
            assert poor == [], scheme
        tab.press("Escape", "Escape")
        style = "getComputedStyle(document.querySelector('.tile')).transitionDuration"
        assert page.evaluate(f"() => {style}") == "0s"
        # Each stop of the Tab key is seen.
        for _ in range(12):
            tab.press("Tab")
            outline = "getComputedStyle(document.activeElement).outlineStyle"
            assert page.evaluate(f"() => {outline}") == "solid"
        tab.press("Escape", "u", "u")
        tab.counts(0, 0)
        tab.saved()
        assert tab.faults == []
        context.close()
