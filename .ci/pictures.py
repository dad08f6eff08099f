"""The pictures of README.md, made of what `make demo` has left: the load test's page in headless Chromium, and a part of the run as an SVG of text.

    make pictures
"""
from __future__ import annotations

import html
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
DEMO, PICTURES = ROOT / "generated" / "demo", ROOT / "assets" / "pictures"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome-headless-shell")
COLOURS = 96                                        # of the picture's palette: text stays sharp, the file a third
SHOWN = {"--suggest-indexes": 22, "--status": 3}    # commands of the demo that are shown, and how many lines of each
COLUMNS, LINE, CHARACTER = 132, 17, 7.22            # characters; pixels


def page(browser: str, source: pathlib.Path, target: pathlib.Path) -> None:
    from PIL import Image

    with tempfile.TemporaryDirectory() as folder:
        shot = pathlib.Path(folder) / "page.png"
        subprocess.run([browser, "--headless", "--no-sandbox", "--hide-scrollbars", "--window-size=900,1060", f"--screenshot={shot}", source.as_uri()], check=True, capture_output=True, timeout=120)
        with Image.open(shot) as image:
            image.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(target, optimize=True)


def transcript(text: str) -> list[str]:
    """The shown commands, each with the first lines of its answer."""
    lines: list[str] = []
    for part in text.split("\n   $ ")[1:]:
        command, *answer = [line.removeprefix("   ") for line in part.rstrip().splitlines()]
        for flag, count in SHOWN.items():
            if flag in command:
                lines += ["$ " + command, *answer[:count], ""]
    return [line if len(line) <= COLUMNS else line[:COLUMNS - 3] + "..." for line in lines[:-1]]


def terminal(lines: list[str], target: pathlib.Path) -> None:
    width, height = round(COLUMNS * CHARACTER) + 36, len(lines) * LINE + 34
    rows = "".join(f'<tspan x="18" y="{30 + number * LINE}" class="{"command" if line.startswith("$ ") else "answer"}">{html.escape(line)}</tspan>\n' for number, line in enumerate(lines) if line)
    target.write_text(f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img"><title>A run of the index advice and its status</title>\n'
                      '<style>text{font:12px ui-monospace,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:#d6deeb}.command{fill:#7fdbca;font-weight:700}</style>\n'
                      f'<rect width="100%" height="100%" rx="8" fill="#0f1b2d"/><text xml:space="preserve">\n{rows}</text></svg>\n', encoding="utf-8", newline="\n")


def main() -> int:
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None or not (DEMO / "load.html").exists() or not (DEMO / "run.txt").exists():
        print(f"error: needs Chromium, and what the demo leaves in {DEMO}: use make pictures", file=sys.stderr)
        return 4
    PICTURES.mkdir(parents=True, exist_ok=True)
    page(browser, DEMO / "load.html", PICTURES / "load-report.png")
    terminal(transcript((DEMO / "run.txt").read_text(encoding="utf-8")), PICTURES / "index-advice.svg")
    return 0


if __name__ == "__main__":
    sys.exit(main())
