"""The report of a real small campaign in a real browser, without any network."""

import re
import subprocess

import pytest
from browser import Browser
from rung_command import put_backend, put_campaign, rung

BROWSER = (
    "chromium",
    "--headless",
    "--no-sandbox",
    "--enable-unsafe-swiftshader",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--enable-logging=stderr",
    "--v=0",
    "--window-size=1280,12000",  # plots are drawn when they come near the window
)
GRAPHICS = "GL Driver Message"  # the software renderer's own remark on speed


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The report of a small campaign that has ended."""
    folder = tmp_path_factory.mktemp("reported")
    put_backend(folder)
    launched = rung("launch", put_campaign(folder), "--backend", "backend.yaml", folder=folder)
    assert launched.returncode == 0, launched.stderr
    # What follows a campaign that has ended writes once and ends, too.
    written = rung("report", "small", "--follow", folder=folder)
    assert written.returncode == 0, written.stderr
    assert written.stdout.count("wrote ") == 1
    assert not list((folder / "small").glob("*.part"))
    return folder / "small" / "report.html"


@pytest.mark.chromium
def test_a_report_draws_every_plot_with_axis_titles_and_asks_for_nothing(page, tmp_path):
    seen = subprocess.run(
        [*BROWSER, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", page.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    said = [s for s in seen.stderr.splitlines() if ":CONSOLE" in s and GRAPHICS not in s]
    # The page's Content-Security-Policy forbids every request: the console would say of one.
    assert said == []
    ids = re.findall(r'<[a-z0-9]+ [^>]*?id="([^"]+)"', page.read_text().partition("<script>")[0])
    assert len(ids) == len(set(ids))
    plots = re.findall(r'<div class="plot[^"]*" id="([^"]+)"', seen.stdout)
    assert {"learning-energy-labels", "learning-force-cpu", "parity-energy-0", "timeline"} <= set(
        plots
    )
    assert "explorer-map" in plots
    for place in (f for f in seen.stdout.split("<figure>")[1:] if 'class="plot' in f):
        for title in ("xtitle", "ytitle"):
            assert re.search(rf'class="{title}"[^>]*>[^<]*\w', place), place[:200]
    assert "<canvas" in seen.stdout.partition('id="explorer-view"')[2]


# Scrolling to what has the focus takes frames.
FOCUSED = """(async () => {
  const element = document.activeElement, style = getComputedStyle(element);
  let box = element.getBoundingClientRect();
  for (let frame = 0; frame < 120 && !(box.bottom > 0 && box.top < innerHeight); frame++) {
    await new Promise(requestAnimationFrame);
    box = element.getBoundingClientRect();
  }
  return {
    name: element.id || element.textContent.trim(),
    tag: element.tagName,
    outlined: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
    inside: box.bottom > 0 && box.top < innerHeight,
  };
})()"""
CONTROLS = ("level", "points", "atoms", "order", "previous", "next")


def tabbed(browser: Browser) -> list[dict]:
    """Press Tab through the whole page and return what had the focus."""
    places = []
    for _ in range(100):
        browser.press("Tab")
        found = browser.ask(FOCUSED)
        if found["tag"] == "BODY":
            return places
        places.append(found)
    raise AssertionError(f"Tab does not come to an end: {places[-5:]}")


@pytest.mark.chromium
def test_a_keyboard_reaches_every_control_in_order_and_works_it(page, tmp_path):
    with Browser(page, tmp_path / "profile", width=1280) as browser:
        places = tabbed(browser)
        assert [p for p in places if not (p["outlined"] and p["inside"])] == []
        names = [place["name"] for place in places]
        assert names[:2] == ["Skip to the report", "Asked"]
        assert names[-10:-4] == [f"explorer-{control}" for control in CONTROLS]
        assert names[-4:] == ["ASE", "OpenMM", "TorchSim", "LAMMPS"]
        visible = "[...document.querySelectorAll('a, button, select, input, summary')].length"
        assert browser.ask(visible) == sum(
            place["tag"] in ("A", "BUTTON", "SELECT", "INPUT", "SUMMARY") for place in places
        )
        said = "document.getElementById('explorer-said').textContent"
        first = browser.ask(said)
        browser.ask("document.getElementById('explorer-previous').focus()")
        browser.press("Tab")
        browser.press("Enter")
        assert browser.ask(FOCUSED)["name"] == "explorer-next"
        assert browser.ask(said) != first
        browser.ask("document.getElementById('explorer-previous').focus()")
        browser.press("Enter")
        assert browser.ask(said) == first
        order = "document.getElementById('explorer-order').selectedIndex"
        browser.ask("document.getElementById('explorer-order').focus()")
        browser.press("ArrowDown")
        assert browser.ask(order) == 1
        # The first link leads past all others.
        browser.ask("document.querySelector('.skip').focus()")
        browser.press("Enter")
        assert browser.ask("document.activeElement.id || location.hash") in ("main", "#main")


@pytest.mark.chromium
def test_nothing_is_wider_than_a_phone(page, tmp_path):
    with Browser(page, tmp_path / "profile", width=390) as browser:
        assert browser.ask("[document.documentElement.scrollWidth, innerWidth]") == [390, 390]
