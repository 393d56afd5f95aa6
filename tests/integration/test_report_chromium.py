"""The report of a real small campaign in a real browser, without any network."""

import re
import subprocess

import pytest
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


@pytest.mark.chromium
def test_a_report_draws_every_plot_with_axis_titles_and_asks_for_nothing(tmp_path):
    put_backend(tmp_path)
    launched = rung("launch", put_campaign(tmp_path), "--backend", "backend.yaml", folder=tmp_path)
    assert launched.returncode == 0, launched.stderr
    # What follows a campaign that has ended writes once and ends, too.
    written = rung("report", "small", "--follow", folder=tmp_path)
    assert written.returncode == 0, written.stderr
    assert written.stdout.count("wrote ") == 1
    page = tmp_path / "small" / "report.html"
    assert not list((tmp_path / "small").glob("*.part"))
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
