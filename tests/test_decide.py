"""The decision engine: every class of inputs has one outcome, what it says about itself is true, and every number of a profile is held by a test."""
from __future__ import annotations

import copy
import itertools
import json
import math
import pathlib
import random
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from senior_backend.decide import arithmetic, documents, inputs, profiles, rules, verdict
from conftest import compare_golden

ROOT = pathlib.Path(__file__).resolve().parents[1]
LOADED = profiles.load()
ENGINE = verdict.Engine(LOADED)
NAMES = [profile.name for profile in LOADED]
SCHEMA = json.loads(profiles.SCHEMA.read_text(encoding="utf-8"))
SEED = {"team_size": 8, "qps_p99": 50, "read_write_ratio": 20, "tenancy": "shared-multi-tenant", "data_sensitivity": "pii", "pattern": "modular-monolith",
        "language_preference": "typescript"}
STATED = {"slo": 99.5, "error_budget_owner": "Grace", "rpo_minutes": 15, "rto_minutes": 60, "interaction": "sync", "platform_team": False, "needs_admin_panel": False,
          "p99_ms": 1000}
# one set of answers per profile with which it is recommended, and further ones at the kill criteria
BASES = {
    "node": {**SEED, **STATED}, "fastapi": {**SEED, **STATED, "language_preference": "python", "interaction": "queue"},
    "django": {**SEED, **STATED, "language_preference": "python", "needs_admin_panel": True, "slo": 99.0, "rto_minutes": 120},
    "go": {**SEED, **STATED, "language_preference": "go", "pattern": "extracted-service", "team_size": 45, "platform_team": True, "qps_p99": 3000, "slo": 99.9, "rto_minutes": 15,
           "rpo_minutes": 5},
    "micro": {**SEED, **STATED, "language_preference": "rust", "pattern": "microservices", "team_size": 45, "platform_team": True, "qps_p99": 3000, "slo": 99.9, "rto_minutes": 15},
    "event": {**SEED, **STATED, "language_preference": "python", "interaction": "event", "team_size": 20}, "any": {**SEED, **STATED, "language_preference": None},
}
# probes: base, input, values; a value may bring others with it: value+input=value
PROBES = """
node team_size 1 2 3 12 13 15 16|node qps_p99 1000 1001 5000 5001|node read_write_ratio 1.99 2|node slo 99.5 99.501 99.51 99.95+rto_minutes=15 99.951+rto_minutes=15
node rpo_minutes 0 0.99 1 14 15|node rto_minutes 9 10 59 60 216 217|node p99_ms 99 100 599 600|node measured_p99_ms 600 601|node measured_rps 299 300
node slo_window_days 1+rto_minutes=5+slo=99.5 9+rto_minutes=60|node tenancy single-tenant isolated-multi-tenant|node interaction queue event
node pattern monolith serverless domain-bounded-services extracted-service microservices|node needs_admin_panel true|fastapi team_size 1 2 15 16 20 21
fastapi qps_p99 800 801 3000 3001|fastapi read_write_ratio 0.99 1 50 50.01|fastapi slo 99.5 99.51 99.95+rto_minutes=15 99.951+rto_minutes=15
fastapi rpo_minutes 0 0.99 1 14 15|fastapi rto_minutes 9 10 59 60|fastapi p99_ms 99 100 499 500|fastapi measured_p99_ms 500 501|fastapi measured_rps 199 200
fastapi tenancy single-tenant isolated-multi-tenant|fastapi needs_admin_panel true|django team_size 1 2 3 20 21 25 26|django qps_p99 400 401 2000 2001
django read_write_ratio 9.99 10|django slo 99 99.01+rto_minutes=15 99.9+rto_minutes=15 99.901+rto_minutes=15|django rpo_minutes 0 0.99 1 14 15
django rto_minutes 14 15 119 120|django p99_ms 199 200 799 800|django measured_p99_ms 800 801|django measured_rps 99 100
django tenancy single-tenant isolated-multi-tenant|django needs_admin_panel false|go team_size 29 30 39 40|go qps_p99 999 1000 1999 2000|go read_write_ratio 50 50.01
go slo 99.9 99.91 99.99+rto_minutes=3 99.991+rto_minutes=3|go rpo_minutes 0 4 5|go rto_minutes 1 1.99 2 14 15|go p99_ms 9 10 199 200|go measured_p99_ms 200 201
go measured_rps 999 1000|go platform_team false|go language_preference rust typescript java|go tenancy single-tenant isolated-multi-tenant|micro team_size 29 30 39
micro platform_team false|event team_size 19 20|event data_sensitivity phi phi+compliance_owner=Ada pci regulated|any needs_admin_panel true false
any read_write_ratio 100|any tenancy single-tenant
"""


def values_of(base: dict, **more: object) -> dict:
    return {**inputs.nothing(), **base, **more}


def read_value(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text


def probes() -> list[tuple[str, str, dict]]:
    found = []
    for line in PROBES.replace("\n", "|").split("|"):
        if line.strip():
            base, name, *tried = line.split()
            for text in tried:
                changed = dict(part.split("=") for part in f"{name}={text}".split("+"))
                found.append((base, f"{name}={text}", values_of(BASES[base], **{key: read_value(value) for key, value in changed.items()})))
    return found


CASES = [(f"{base} {label}", values) for base, label, values in probes()]


def golden(loaded: list, weights: dict = rules.WEIGHTS) -> list[str]:
    """One line per probe: outcome, then every profile that passes with its points; one line per profile with its targets."""
    engine = verdict.Engine(loaded, weights)
    lines = []
    for label, values in CASES:
        made = engine.judge(dict(values))
        lines.append(f"{label}: {made.code or ''} " + " ".join(f"{name.split('-')[0]} {points}" for name, points in made.ranking))
    return lines + [f"{profile.name}: {json.dumps(profile.thresholds)}" for profile in loaded]


def test_golden_outcomes():
    compare_golden("decisions.txt", "\n".join(golden(LOADED)) + "\n")


def numbers_in(node: object, pointer: tuple = ()) -> list[tuple]:
    if isinstance(node, dict):
        return [found for key, value in node.items() if key not in ("format", "when") for found in numbers_in(value, (*pointer, key))]
    if isinstance(node, list):
        return [found for index, value in enumerate(node) for found in numbers_in(value, (*pointer, index))]
    return [pointer] if type(node) in (int, float) else []


def mutated(profile: profiles.Profile, pointer: tuple, by: float) -> profiles.Profile | None:
    """The profile with one number changed; None when the schema refuses that already."""
    data = json.loads(profile.text)
    node = data
    for key in pointer[:-1]:
        node = node[key]
    node[pointer[-1]] = round(node[pointer[-1]] + by, 6)
    return None if list(inputs.violations(data, SCHEMA["$defs"]["v2"], SCHEMA)) else profiles.from_v2(profile.path, data, profile.text)


@pytest.mark.parametrize("number", range(len(LOADED)), ids=NAMES)
def test_no_number_of_a_profile_can_change_unseen(number):
    right = golden(LOADED)
    pointers = numbers_in(json.loads(LOADED[number].text))
    assert len(pointers) > 15
    for pointer, by in itertools.product(pointers, (1, -1)):
        other = mutated(LOADED[number], pointer, 0.01 * by if pointer[-1] in ("slo_max", "uptime_target") else by)
        assert other is None or golden([*LOADED[:number], other, *LOADED[number + 1:]]) != right, f"{pointer} {by:+}"


def test_no_weight_and_no_threshold_of_a_kill_can_change_unseen(monkeypatch):
    right = golden(LOADED)
    for name, by in itertools.product(rules.WEIGHTS, (1, -1)):
        assert golden(LOADED, {**rules.WEIGHTS, name: rules.WEIGHTS[name] + by}) != right, name
    for name, by in itertools.product(("MICROSERVICES_TEAM", "EVENT_TEAM"), (1, -1)):
        with monkeypatch.context() as patch:
            patch.setattr(rules, name, getattr(rules, name) + by)
            patch.setattr(verdict, name, getattr(rules, name))
            assert golden(LOADED) != right, name


def test_every_class_of_inputs_has_exactly_one_outcome(capsys):
    """All classes, not a sample: effects of independent groups are summed, equal sums merged, and each sum is concluded by the engine itself."""
    started = time.process_time()
    states = verdict.states(ENGINE, [verdict.classes_of(ENGINE, index) for index in range(len(verdict.GROUPS))])
    met, profiles_met, tied = set(), set(), 0
    for state, classes in states.items():
        made = ENGINE.conclude(*state)
        best = made.ranking[0][1] if made.ranking else None
        leaders = tuple(name for name, points in made.ranking if points == best)
        assert classes > 0 and made.as_json()["approved"] is False
        assert (made.status == "refused") == (made.profile is None and not made.tied) and (made.status != "refused" or made.code in rules.REFUSALS)
        assert (made.status == "tie") == (len(leaders) > 1) and made.tied == (leaders if len(leaders) > 1 else ())          # no undeclared tie
        assert made.profile is None or leaders == (made.profile,) and made.profile in NAMES and not made.kills
        met |= {made.code, *made.kills}
        profiles_met |= {made.profile}
        tied += len(leaders) > 1
    seconds = time.process_time() - started
    with capsys.disabled():
        print(f"\n{sum(states.values()):.2e} classes of inputs, {len(states)} distinct sums, {seconds:.1f} s of processor time", end="")
    assert sum(states.values()) > 1e12 and tied and seconds < 15
    assert profiles_met == {None, *NAMES} and met == {None, rules.TIE, rules.UNSTATED, *rules.REFUSALS} - {rules.MISSING}


def plain_outcome(values: dict) -> tuple:
    """The same question answered without classes, groups or sums: gate by gate, fit by fit."""
    verdict.derive(values)
    killed = tuple(kill.code for kill in rules.KILLS if kill.applies(values, ENGINE.offered))
    if killed:
        return "refused", killed[0], None, ()
    scores = {profile.name: sum(fit.earned(values, rules.WEIGHTS) for fit in profile.fits) for profile in LOADED if all(gate.holds(values) for gate in profile.gates)}
    if not scores:
        return "refused", rules.NO_PROFILE, None, ()
    best = [name for name in sorted(scores) if scores[name] == max(scores.values())]
    if len(best) > 1:
        return "tie", rules.TIE, None, tuple(best)
    open_ = any(values[name] is None for name in verdict.RESTS_ON)
    return ("provisional", rules.UNSTATED, best[0], ()) if open_ else ("recommended", None, best[0], ())


NUMBERS = {name: sorted({*ENGINE.edges[name], *(edge + beside for edge in ENGINE.edges[name] for beside in (-1, -0.01, 0.01, 1))}) for name in inputs.INPUTS
           if name in ENGINE.edges and name != "slo_window_days"}


def random_values(chance: random.Random) -> dict:
    values = inputs.nothing()
    for one in verdict.JUDGED:
        if one.kind in ("choice", "flag"):
            values[one.name] = chance.choice([*(one.choices or (True, False)), *([] if one.required else [None])])
        elif one.kind == "text":
            values[one.name] = chance.choice([None, "Ada"])
        elif one.required or chance.random() < 0.8:
            near = chance.choice(NUMBERS.get(one.name) or [30]) if chance.random() < 0.8 else chance.uniform(one.low, min(one.high, 6000))
            near = round(near) if one.kind == "integer" else round(near, 3)
            values[one.name] = min(max(near, one.low if one.kind != "integer" else int(one.low)), one.high)
    if chance.random() < 0.7:           # near to where profiles are, so that the cases are not all refusals
        values.update(pattern=chance.choice(["modular-monolith", "monolith"]), team_size=chance.randint(1, 30), language_preference=chance.choice([None, "typescript", "python"]),
                      data_sensitivity="pii", rto_minutes=chance.choice([None, 15, 60]), qps_p99=chance.choice([50, 401, 900]))
    return values


def test_classes_and_sums_say_what_gate_by_gate_says():
    chance, profiles_met = random.Random(6), set()
    for _ in range(6000):
        values = random_values(chance)
        said = ENGINE.judge(dict(values)).signature
        assert said == plain_outcome(dict(values)), values
        profiles_met.add(said[2])
    assert profiles_met >= {"node-express", "fastapi-python", "django-monolith"}


@pytest.mark.parametrize("seed", range(40))
def test_reported_flips_flip_and_one_step_before_does_not(seed):
    values = values_of(BASES[list(BASES)[seed % len(BASES)]]) if seed < 2 * len(BASES) else random_values(random.Random(seed))
    now = ENGINE.judge(dict(values)).signature
    for flip in verdict.flips(ENGINE, values):
        one = inputs.INPUTS[flip["input"]]
        assert values[one.name] == flip["from"] != flip["to"]
        made = ENGINE.judge({**values, one.name: flip["to"]})
        assert made.signature != now and verdict.brief(made) == flip["outcome"]
        if one.kind in ("integer", "number") and flip["from"] is not None:
            before = min(max(round(flip["to"] + (one.step if flip["to"] < flip["from"] else -one.step), 6), one.low), one.high)
            assert ENGINE.judge({**values, one.name: int(before) if one.kind == "integer" else before}).signature == now, (flip, before)


def test_flips_are_complete_on_a_whole_axis():
    """Walking a whole axis by brute force changes the outcome first where the flips say."""
    for base, name, top in (("node", "team_size", 60), ("go", "qps_p99", 5000), ("any", "read_write_ratio", 120), ("node", "rto_minutes", 300), ("django", "rpo_minutes", 40)):
        values, one = values_of(BASES[base]), inputs.INPUTS[name]
        now, start = ENGINE.judge(dict(values)).signature, values[name]
        said = {flip["to"] > start: flip["to"] for flip in verdict.flips(ENGINE, values) if flip["input"] == name}
        per = round(1 / one.step)
        for upwards, numbers in ((True, range(start * per + 1, top * per)), (False, range(start * per - 1, int(one.low * per) - 1, -1))):
            first = next((number / per for number in numbers if number / per >= one.low and ENGINE.judge({**values, name: number / per}).signature != now), None)
            if first is not None:
                assert said[upwards] == first, (base, name)
            elif upwards in said:
                assert not one.low <= said[upwards] < top or said[upwards] == one.low


def test_smallest_pair_and_weights_do_what_they_say():
    lonely = values_of({**SEED, "language_preference": "java", "data_sensitivity": "phi"})
    pair = verdict.smallest_pair(ENGINE, lonely, verdict.flips(ENGINE, lonely))
    changed = {**lonely, **{one["input"]: one["to"] for one in pair["changes"]}}
    assert len(pair["changes"]) == 2 and ENGINE.judge(changed).profile == pair["outcome"]["profile"] in NAMES
    assert verdict.smallest_pair(ENGINE, values_of(SEED), verdict.flips(ENGINE, values_of(SEED))) is None
    close = values_of({**BASES["any"], "needs_admin_panel": True})
    made = ENGINE.judge(dict(close))
    swapped = verdict.swaps(ENGINE, close, made)
    assert made.profile == "django-monolith" and made.runner_up == "node-express" and {"input": "needs_admin_panel", "from": 4, "to": 2, "leader": "node-express"} in swapped
    for one in swapped:
        assert verdict.Engine(LOADED, {**rules.WEIGHTS, one["input"]: one["to"]}).judge(dict(close)).ranking[0][0] != made.profile
        nearer = one["to"] + (1 if one["to"] < one["from"] else -1)
        again = verdict.Engine(LOADED, {**rules.WEIGHTS, one["input"]: nearer}).judge(dict(close))
        assert dict(again.ranking)[made.profile] >= dict(again.ranking)[one["leader"]]


ANSWERS = some.fixed_dictionaries({one.name: some.sampled_from(one.choices) if one.kind == "choice" else some.booleans() if one.kind == "flag" else some.just("Ada")
                                   if one.kind == "text" else
                                   some.integers(int(one.low), min(int(one.high), 6000)) if one.kind == "integer"
                                   else some.floats(max(one.low, 0.02), min(one.high, 300)).map(lambda value: math.floor(value * 100) / 100)
                                   for one in verdict.JUDGED})


def whole(values: dict) -> dict:
    answers = inputs.Answers({**inputs.nothing(), **values}, {name: inputs.INPUTS[name].flag for name in values})
    return documents.decide(documents.Case(ENGINE, answers, None, "2026-11-21"))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(ANSWERS)
def test_a_decision_keeps_its_promises(values):
    made = whole(values)
    outcome = made["outcome"]
    assert outcome["approved"] is False and bool(made["targets"]) == bool(made["stack"]) == bool(made["approvers"]) == bool(outcome["profile"])
    assert not made["kills"] or outcome["status"] == "refused" and not made["points"] and not made["gates"]
    passed = {one["profile"] for one in made["gates"] if one["passed"]}
    assert {one["profile"] for one in made["points"]} == passed         # a failing gate never brings points
    for one in made["points"]:
        assert one["total"] == sum(item["points"] for item in one["items"]) and all(item["source"] and item["reason"] and item["kind"] in ("sourced", "policy", "measured")
            for item in one["items"])
    for one in made["gates"]:
        assert all(gate["distance"] not in (None, 0) for gate in one["failing"])
    if outcome["profile"]:
        targets = {name: one["value"] for name, one in made["targets"].items()}
        assert 0 < targets["p50_ms"] <= targets["p95_ms"] <= targets["p99_ms"] and all(one["source"] for one in made["targets"].values())
        assert inputs.micro(targets["rto_minutes"]) <= inputs.budget_micro(targets["uptime"], values["slo_window_days"])


def test_a_higher_data_tier_never_removes_a_control():
    tiers = json.loads((ROOT / "assets/decide/controls.json").read_text())["tiers"]
    assert tuple(tiers) == inputs.TIERS and SCHEMA["$defs"]["v2"]["properties"]["constraints"]["properties"]["data_sensitivity_tier_max"]["enum"] == list(inputs.TIERS)
    for tier in tiers:
        for lower in documents.closure(tiers, tier):
            here = {one["id"]: {clause["clause"] for clause in one["clauses"]} for one in documents.compliance(tier)}
            for one in documents.compliance(lower):
                assert one["id"] in here and {clause["clause"] for clause in one["clauses"]} <= here[one["id"]] and one["evidence"]
    assert {"phi", "pci"} < documents.closure(tiers, "regulated") and len(documents.compliance("public")) < len(documents.compliance("pii")) < len(documents.compliance("phi"))
    clauses = {clause["clause"] for one in documents.compliance("regulated") for clause in one["clauses"]}
    for wanted in ("GDPR Art. 5", "GDPR Art. 17", "GDPR Art. 30", "GDPR Art. 32", "GDPR Art. 33", "45 CFR 164.308", "45 CFR 164.310", "45 CFR 164.312", "PCI DSS 4.0.1"):
        assert any(clause.startswith(wanted) for clause in clauses), wanted


def test_the_order_of_two_profiles_never_depends_on_a_third():
    chance = random.Random(1)
    for _ in range(500):
        values = random_values(chance)
        everyone = [name for name, _ in ENGINE.judge(dict(values)).ranking]
        for left_out in NAMES:
            if everyone:
                fewer = verdict.Engine([profile for profile in LOADED if profile.name != left_out])
                fewer.offered = ENGINE.offered
                assert [name for name, _ in fewer.judge(dict(values)).ranking] == [name for name in everyone if name != left_out]


def test_every_input_can_change_the_outcome_or_a_figure():
    """No input is asked for and then not used."""
    chance, moved = random.Random(2), set()
    for _ in range(150):
        moved |= {flip["input"] for flip in verdict.flips(ENGINE, random_values(chance))}
    assert moved == {one.name for one in verdict.JUDGED}
    def rows_of(**more):
        return whole({**BASES["node"], **more})["arithmetic"]
    for name, value in (("bytes_per_write", 10), ("max_connections", 20), ("dependencies", [99.9]), ("slo_window_days", 28), ("read_write_ratio", 5), ("qps_p99", 51),
                        ("rpo_minutes", 16), ("rto_minutes", 61), ("p99_ms", 900)):
        assert rows_of(**{name: value}) != rows_of(), name


def test_the_arithmetic_by_hand():
    answers = inputs.Answers(values_of(BASES["node"], slo=99.9, rto_minutes=43.2, dependencies=[99.95, 99.99], bytes_per_write=1000, qps_p99=210), {})
    rows = {row["name"]: row["result"] for row in arithmetic.rows(answers, {"p50_ms": {"value": 80}, "p99_ms": {"value": 500}}, arithmetic.Measured(100, 400, "load.json"))}
    assert rows["error budget"] == 43.2 and rows["RTO against the budget"] == 1 and rows["error budget in requests, at most"] == 210 * 30 * 86400 // 1000
    assert [rows[name] for name in rows if name.startswith("burn rate")] == [14.4, 6, 1]
    assert rows["writes"] == 10 and rows["writes lost, at most"] == 9000 and rows["storage growth, at most"] == pytest.approx(315.36, rel=1e-5)
    assert rows["requests in flight, typical"] == 16.8 and rows["requests in flight, at most"] == 105
    assert rows["instances"] == 4 + 1 and rows["connections per instance, at most"] == 97 // 5
    assert rows["serial availability"] == pytest.approx(99.96, abs=0.001) and rows["length of the load test"] == 48


def test_patterns_are_compared_whole():
    """monolith is part of modular-monolith, and still another pattern."""
    only = copy.deepcopy(json.loads(LOADED[NAMES.index("node-express")].text))
    only["constraints"]["pattern"] = ["modular-monolith"]
    engine = verdict.Engine([profiles.from_v2(LOADED[0].path, only, "")])
    assert engine.judge(values_of(BASES["node"], pattern="monolith")).code == "PATTERN_WITHOUT_PROFILE" and engine.judge(values_of(BASES["node"])).profile == "node-express"


def test_a_profile_with_one_easy_demand_does_not_win():
    easy = {"format": 2, "profile_name": "a-easy", "version": "1", "reviewed": "2026-01-01", "description": "anything goes", "constraints": {"pattern": ["modular-monolith"]},
            "fits": [{"input": "pattern", "values": ["modular-monolith"], "reason": "r", "source": "s", "kind": "policy"}], "anti_recommendations": [],
            "named_approver_chain": {"a": ["b"]}, "canon_references": [],
            "success_thresholds": LOADED[0].thresholds, "stack": [{"concern": "c", "pick": "p", "source": "s"}]}
    assert not list(inputs.violations(easy, SCHEMA["$defs"]["v2"], SCHEMA))
    made = verdict.Engine([*LOADED, profiles.from_v2(pathlib.Path("easy.json"), easy, "{}")]).judge(values_of(BASES["node"]))
    assert made.profile == "node-express" and dict(made.ranking)["a-easy"] < dict(made.ranking)["node-express"]
