"""The analysis as one self-contained page: findings, table sizes, and the tables with their foreign keys as a picture. Everything from the database is escaped."""
from __future__ import annotations

import pathlib
import re
import string
from html import escape
from typing import Iterable, Sequence

from senior_backend.console import VERSION
from senior_backend.migrate.analyze.measured import size
from senior_backend.migrate.analyze.report import Report
from senior_backend.migrate.analyze.rules import SEVERITIES, Finding
from senior_backend.migrate.analyze.schema import ForeignKey, Schema, Table
from senior_backend.postgres.model import Id

TEMPLATE = pathlib.Path(__file__).resolve().parents[4] / "assets" / "migrate" / "analysis.html"
MOST_FINDINGS, MOST_BARS, MOST_TABLES, MOST_COLUMNS, MOST_STACKED = 500, 25, 60, 10, 9
LINE, WIDTH, GAP_X, GAP_Y = 18, 210, 90, 22           # SVG units
LETTERS = 28
SHORT = {"character varying": "varchar", "timestamp with time zone": "timestamptz", "timestamp without time zone": "timestamp", "double precision": "float8"}


def render(report: Report) -> str:
    counts = "".join(f'<span class="{name}"><b>{sum(one.severity == name for one in report.findings)}</b>{name}s</span>' for name in SEVERITIES)
    rows = f"<span><b>{report.rows:,}</b>rows</span>" if report.rows is not None else ""
    sections = [f'<p class="counts"><span><b>{len(report.schema.tables)}</b>tables</span>{rows}{counts}</p>', findings(report.findings)]
    if report.missing:
        sections.append(section("Not assessed", f"<ul>{''.join(f'<li>{text(one)}</li>' for one in report.missing)}</ul>"))
    sections += [sizes(report), diagram(report)]
    return string.Template(TEMPLATE.read_text("utf-8")).substitute(title=text(f"Database analysis: {report.source}"), heading=text(report.source), sections="\n".join(sections),
                                                                   footer=f"database_migration_tool {VERSION}; what each code means: references/database_findings.md")


def text(value: object, longest: int = 600) -> str:
    """Escaped; what cannot be shown becomes a mark."""
    plain = "".join(one if one.isprintable() else "\ufffd" for one in str(value))
    return escape(plain if len(plain) <= longest else plain[:longest - 3] + "...")


def section(title: str, content: str) -> str:
    return f"<section><h2>{text(title)}</h2>{content}</section>"


def findings(found: Sequence[Finding]) -> str:
    if not found:
        return section("Findings", "<p>Nothing was found.</p>")
    rows = "".join(f'<tr><td class="{one.severity}">{one.severity}<br><code>{one.rule.code}</code></td><td>{text(one.table or "database")}</td>'
                   f'<td>{text(one.message)}<br><span class="soft">{text(one.suggestion)}</span><br><small class="soft">{text(one.evidence)}</small></td></tr>'
                   for one in found[:MOST_FINDINGS])
    more = f"<p>{len(found) - MOST_FINDINGS} more are in the JSON report.</p>" if len(found) > MOST_FINDINGS else ""
    return section("Findings", f"<table><thead><tr><th>severity</th><th>table</th><th>finding</th></tr></thead><tbody>{rows}</tbody></table>{more}")


def sizes(report: Report) -> str:
    """Bars of tables and their indexes, the biggest first; nothing for a file, where no size is known."""
    if not report.statistics or not report.statistics.index_bytes and not any("bytes" in one for one in report.statistics.tables.values()):
        return ""
    counted, index_bytes = report.statistics.tables, report.statistics.index_bytes
    known = [(counted[identity]["bytes"], sum(index_bytes.get((index.schema, index.name), 0) for index in table.indexes), table, counted[identity]["rows"])
             for identity, table in report.schema.tables.items() if "bytes" in counted.get(identity, {})]
    known.sort(key=lambda one: (-one[0] - one[1], one[2].name))
    most = max((one[0] + one[1] for one in known), default=0) or 1
    bars = [bar(place * 24, one, 420 / most) for place, one in enumerate(known[:MOST_BARS])]
    rest = f"<p class='soft'>{len(known) - MOST_BARS} smaller tables are left out.</p>" if len(known) > MOST_BARS else ""
    return section("Table sizes", f"<p class='soft'>Dark: table with its large values. Light: indexes. Rows as the server counts them.</p>"
                   f"<svg width='920' height='{len(bars) * 24}' role='img' "
                   f"aria-label='Sizes of tables'>{''.join(bars)}</svg>{rest}")


def bar(y: int, one: tuple[int, int, Table, int | None], scale: float) -> str:
    bytes, indexes, table, rows = one
    told = f"{size(bytes)} + {size(indexes)}" + (f", {rows:,} rows" if rows is not None else "")
    return (f"<text x='200' y='{y + 16}' text-anchor='end'>{text(table.name, LETTERS)}</text><rect class='bar' x='210' y='{y + 4}' width='{bytes * scale:.1f}' height='16'/>"
            f"<rect class='bar2' x='{210 + bytes * scale:.1f}' y='{y + 4}' width='{indexes * scale:.1f}' height='16'/>"
            f"<text class='dim' x='{218 + (bytes + indexes) * scale:.1f}' y='{y + 16}'>{told}</text>")


def diagram(report: Report) -> str:
    schema = report.schema
    bare = {(one.values["key"][0], one.object) for one in report.findings if one.rule.code == "fk-without-index"}
    chosen = most_connected(schema)
    keys = [key for key in schema.foreign_keys if key.table in chosen and key.target in chosen]
    boxes = place(schema, columns_of_boxes(chosen, keys))
    width = max((box.x + WIDTH for box in boxes.values()), default=0) + GAP_X
    height = max((box.y + box.height for box in boxes.values()), default=0) + GAP_Y
    drawn = [edge(boxes[key.table], boxes[key.target], key, (key.table, key.name) in bare) for key in keys] + [box.draw() for box in boxes.values()]
    left = sum(1 for _ in schema.roots()) - len(chosen)
    note = f" {left} less connected tables are left out." if left > 0 else ""
    return section("Entity-relationship diagram", f"<p class='soft'>Lines are foreign keys, from the row that refers; red and dashed where no index serves them.{note}</p>"
                   f"<div class='wide'><svg width='{width}' height='{height}'"
                   f" viewBox='0 0 {width} {height}' role='img' aria-label='Tables and foreign keys'>{''.join(drawn)}</svg></div>")


def most_connected(schema: Schema) -> list[Id]:
    count: dict[Id, int] = {}
    for key in schema.foreign_keys:
        for one in (key.table, key.target):
            count[one] = count.get(one, 0) + 1
    return sorted((table.fact.id for table in schema.roots()), key=lambda one: (-count.get(one, 0), one))[:MOST_TABLES]


def columns_of_boxes(chosen: Sequence[Id], keys: Iterable[ForeignKey]) -> list[list[Id]]:
    """Tables from left to right: each to the right of those it refers to, as far as there is no ring; a column that is too high is split."""
    targets: dict[Id, set[Id]] = {one: set() for one in chosen}
    for key in keys:
        if key.table != key.target:
            targets[key.table].add(key.target)
    level: dict[Id, int] = {}
    while left := [one for one in chosen if one not in level]:
        ready = [one for one in left if targets[one] <= level.keys()] or [min(left, key=lambda one: len(targets[one] - level.keys()))]
        level |= {one: max((level[other] + 1 for other in targets[one] if other in level), default=0) for one in ready}
    found = []
    for depth in range(max(level.values(), default=-1) + 1):
        tables = [one for one in chosen if level[one] == depth]
        found += [tables[start:start + MOST_STACKED] for start in range(0, len(tables), MOST_STACKED)]
    return found


class Box:
    """One table's place in the picture; its keys first, then its other columns."""

    def __init__(self, table: Table, schema: Schema, x: int, y: int):
        self.table, self.x, self.y = table, x, y
        referring = [name for key in table.foreign_keys for name in key.columns]
        order = [fact.id.name[2] for fact in schema.catalogue.parts(table.fact.id, "column")]
        self.marks = {name: "PK " if name in table.primary else "FK " if name in referring else "" for name in order}
        self.names = sorted(order, key=lambda name: (not self.marks[name].startswith("PK"), not self.marks[name]))[:MOST_COLUMNS]
        self.more = len(order) - len(self.names)
        self.height = LINE * (len(self.names) + 1 + bool(self.more)) + 8

    def line(self, column: str) -> int:
        """The height at which a column's row is."""
        return self.y + LINE * (self.names.index(column) + 1 if column in self.names else 0) + 14

    def draw(self) -> str:
        lines = [f"{self.marks[name]}{name}: {re.sub('|'.join(SHORT), lambda found: SHORT[found[0]], self.table.columns[name]['type'])}" for name in self.names] + ([f"and {self.more} more"] if self.more else [])
        rows = "".join(f"<text class='dim' x='{self.x + 8}' y='{self.y + LINE * number + 15}'>{text(line, LETTERS + 4)}</text>" for number, line in enumerate(lines, 1))
        return (f"<g><title>{text(self.table.name)}</title><rect class='box' x='{self.x}' y='{self.y}' width='{WIDTH}' height='{self.height}' rx='4'/>"
                f"<text class='head' x='{self.x + 8}' y='{self.y + 15}'>{text(self.table.name, LETTERS)}</text>{rows}</g>")


def place(schema: Schema, stacks: Iterable[Sequence[Id]]) -> dict[Id, Box]:
    boxes: dict[Id, Box] = {}
    for number, stack in enumerate(stacks):
        y = GAP_Y
        for one in stack:
            boxes[one] = Box(schema.tables[one], schema, GAP_X // 2 + number * (WIDTH + GAP_X), y)
            y += boxes[one].height + GAP_Y
    return boxes


def edge(child: Box, parent: Box, key: ForeignKey, bare: bool) -> str:
    """From the left side of the row that refers to the right side of the row that is meant; both at the right where they are above each other."""
    y1, y2 = child.line(key.columns[0]), parent.line(key.target_columns[0] if key.target_columns else "")
    x1, x2 = (child.x, parent.x + WIDTH) if child.x > parent.x else (child.x + WIDTH, parent.x + (WIDTH if child.x == parent.x else 0))
    turn = -GAP_X // 2 if child.x > parent.x else GAP_X // 2
    back = -turn if child.x != parent.x else turn
    return f"<path class='edge{' bare' if bare else ''}' d='M{x1} {y1}C{x1 + turn} {y1} {x2 + back} {y2} {x2} {y2}'><title>{text(key.name)}</title></path>"
