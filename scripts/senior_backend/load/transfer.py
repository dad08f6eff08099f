"""Plans and measurements as plain JSON data, to go from process to process and from machine to machine."""

from __future__ import annotations

import base64
import dataclasses
from typing import Any

from senior_backend.load.histogram import Histogram
from senior_backend.load.measurement import Accounting, BlockCounts, Client, Measurement, Second, Stall
from senior_backend.load.plan import Plan, Stage, Target


def plan_to_data(plan: Plan) -> dict[str, Any]:
    data = dataclasses.asdict(plan)
    for target in data["targets"]:
        target["body"] = None if target["body"] is None else base64.b64encode(target["body"]).decode("ascii")
    return data


def plan_from_data(data: dict[str, Any]) -> Plan:
    targets = [
        Target(
            **{
                **target,
                "headers": [tuple(header) for header in target["headers"]],
                "body": None if target["body"] is None else base64.b64decode(target["body"]),
            }
        )
        for target in data["targets"]
    ]
    stages = None if data["stages"] is None else [Stage(**stage) for stage in data["stages"]]
    return Plan(**{**data, "targets": targets, "stages": stages, "digest": tuple(data["digest"]) if data["digest"] else None})


def measurement_to_data(measurement: Measurement) -> dict[str, Any]:
    """Everything but the target, which the other side knows by its place."""
    return {field.name: plain(getattr(measurement, field.name)) for field in dataclasses.fields(measurement) if field.name != "target"}


def plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items()}
    return [plain(inner) for inner in value] if isinstance(value, (list, tuple)) else value


def by_number(data: dict[str, Any]) -> dict[int, Any]:
    return {int(key): value for key, value in data.items()}


def measurement_from_data(target: Target, data: dict[str, Any]) -> Measurement:
    client = data["client"]
    return Measurement(
        target,
        **{
            **data,
            "accounting": Accounting(**data["accounting"]),
            "statuses": {status: Histogram(by_number(counts)) for status, counts in by_number(data["statuses"]).items()},
            "latency": Histogram(by_number(data["latency"])),
            "service": Histogram(by_number(data["service"])),
            "blocks": [BlockCounts(**{**block, "histogram": Histogram(by_number(block["histogram"]))}) for block in data["blocks"]],
            "timeline": [
                Second(**{**second, "histogram": Histogram(by_number(second["histogram"])), "statuses": by_number(second["statuses"])})
                for second in data["timeline"]
            ],
            "client": Client(**{**client, "lag": Histogram(by_number(client["lag"])), "stalls": [Stall(**stall) for stall in client["stalls"]]}),
            "first_seen": {status: tuple(seen) for status, seen in by_number(data["first_seen"]).items()},
            "heads": by_number(data["heads"]),
        },
    )


def added_up(shares: list[list[Measurement]]) -> list[Measurement]:
    """The measurements of several processes that worked on the same targets at the same time, as those of one."""
    whole, *others = shares
    for other in others:
        for mine, theirs in zip(whole, other, strict=True):
            mine.add(theirs)
        whole[0].client.add(other[0].client)
    for measurement in whole[1:]:
        measurement.client = whole[0].client
    return whole
