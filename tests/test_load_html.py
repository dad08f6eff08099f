"""The page: self-contained, small, escaped, and holding the figures of the run."""

from __future__ import annotations

import dataclasses
import html.parser
import os
import random
import shutil
import subprocess

import pytest
from conftest import CACHE
from node_server import locked

from senior_backend.load.report import page
from senior_backend.load.compare import paired
from senior_backend.load.measure.recorders import Books, Recorder
from senior_backend.load.compare.verdicts import Comparison
from senior_backend.load.measure.measurement import Client, Measurement
from senior_backend.load.plan.model import Plan, Target
from senior_backend.load.limit import Finding

HOSTILE = "<script>alert(1)</script>\" onload='x' &amp; \u202e\x00"


def measured(plan: Plan, target: Target, factor: float = 1.0, seed: int = 1) -> Measurement:
    source, books = random.Random(seed), Books(dataclasses.replace(plan, targets=[target]))
    (recorder,) = books.recorders
    for number in range(int(plan.duration_s * 100)):
        books.pour(number * 10_000_000)
        recorder.started += 1
        if number % 50 == 0:
            recorder.failure("timeout response", 0.1)
        else:
            latency_us = round(5000 * factor * source.lognormvariate(0, 0.3))
            recorder.answer(503 if number % 49 == 0 else 200, latency_us, latency_us, 150)
    books.end()
    return books.close({}, {}, plan.duration_s, False, Client())[0]


class Reader(html.parser.HTMLParser):
    """Tags in order; checks that they nest."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.attributes, self.text = [], [], [], []

    def handle_starttag(self, tag, attributes):
        self.handle_startendtag(tag, attributes)
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    assert not reader.open
    return reader


@pytest.fixture
def compared() -> str:
    plan = Plan([Target("http://a.example/v1"), Target("http://a.example/v2")], mode="compare", concurrency=40, duration_s=10)
    measurements = [measured(plan, plan.targets[0]), measured(plan, plan.targets[1], 1.3, seed=2)]
    return page.render(plan, measurements, page.Extras([paired.compare(plan, *measurements)], recommendations=["use an index"], recorded_at="2026-01-01"))


def test_page_is_whole_small_and_fetches_nothing(compared):
    reader = read(compared)
    said = " ".join(reader.text)
    for expected in ("GET http://a.example/v1", "slower", "Latency p50", "HTTP 503", "timeout response", "use an index", "Started 1,000 = ok", "measured 2026-01-01"):
        assert expected in said
    assert len(compared.encode()) < 100_000
    assert "script" not in reader.tags and "link" not in reader.tags and "img" not in reader.tags
    assert not [value for name, value in reader.attributes if name in ("src", "href") or name.startswith("on")]
    assert "url(" not in compared and "@import" not in compared and "default-src 'none'" in compared
    assert reader.tags.count("svg") >= 6


def test_everything_from_outside_is_escaped():
    plan = Plan([Target("http://user:hunter2@a.example/?api_key=s3cret" + HOSTILE, method="GET" + HOSTILE)], duration_s=2)
    seen = measured(plan, plan.targets[0])
    seen.errors[HOSTILE] = 3
    seen.notes[HOSTILE] = 1
    seen.client.saturated, seen.client.reason = True, HOSTILE
    finding = Finding(found=True, status=429, first_429_after=1, first_429_after_s=0.1, headers={"retry-after": HOSTILE}, notes=[HOSTILE])
    comparison = Comparison(HOSTILE, 0.01, HOSTILE, HOSTILE, {}, [HOSTILE], [HOSTILE])
    text = page.render(plan, [seen], page.Extras([comparison], finding, [HOSTILE], HOSTILE))
    reader = read(text)
    assert "hunter2" not in text and "s3cret" not in text and "***" in text
    assert "<script" not in text and "\u202e" not in text and "\x00" not in text
    assert "script" not in reader.tags and not [name for name, _ in reader.attributes if name.startswith("on")]
    assert "".join(reader.text).count("alert(1)") >= 8


def test_long_runs_and_many_targets_stay_small():
    plan = Plan([Target("http://a.example/" + "x" * 2000 + str(number)) for number in range(30)], duration_s=900, mode="mix")
    measurements = [Recorder(target, plan).measurement for target in plan.targets]
    for number, seen in enumerate(measurements):
        for place, second in enumerate(seen.timeline):
            second.answered = second.started = 1000 + place
            second.statuses = {200: second.answered}
            second.histogram.add(1000 * (1 + number) + place, second.answered)
            seen.latency.merge(second.histogram)
        seen.errors = {f"kind {kind} {HOSTILE * 50}": kind for kind in range(200)}
    notes = [HOSTILE * 50] * 50
    text = page.render(plan, measurements, page.Extras([Comparison(HOSTILE * 50, 0.01, "a" * 999, "b" * 999, {}, notes, notes)] * 30, None, notes))
    read(text)
    assert len(text.encode()) < 100_000
    assert "26 more targets" in text and "more kinds" in text


def test_run_without_an_answer_has_a_page():
    plan = Plan([Target("http://a.example/")], duration_s=1)
    seen = Recorder(plan.targets[0], plan).measurement
    assert "No request ended" in page.render(plan, [seen])


def chromium() -> str | None:
    """On the PATH, or Debian's package, which is installed when we are root there."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome-headless-shell")
    if not any(map(shutil.which, names)) and shutil.which("apt-get") and os.geteuid() == 0:
        command = ["apt-get", "install", "-y", "-q", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300", "chromium"]
        with locked(CACHE / "chromium.lock"):
            subprocess.run(command, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, stdin=subprocess.DEVNULL, capture_output=True)
    return next(filter(None, map(shutil.which, names)), None)


def test_page_in_a_browser(compared, tmp_path):
    """In headless Chromium every chart is in the document and nothing is blocked (its policy forbids scripts), and the picture is no empty sheet."""
    browser = chromium() or pytest.skip("no Chromium on this machine, and none can be installed")
    page, picture = tmp_path / "page.html", tmp_path / "page.png"
    page.write_text(compared, encoding="utf-8")
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--window-size=1100,1600", f"--user-data-dir={tmp_path / 'profile'}"]
    for flags in (["--dump-dom"], [f"--screenshot={picture}"]):
        done = subprocess.run([*command, *flags, page.as_uri()], capture_output=True, text=True, timeout=60, env={**os.environ, "HOME": str(tmp_path)})
        assert done.returncode == 0 and "Content Security Policy" not in done.stderr
        assert flags != ["--dump-dom"] or done.stdout.count("<svg") == compared.count("<svg")
    assert picture.stat().st_size > 30_000
