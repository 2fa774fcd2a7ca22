"""Writes what a fit ships: `model.json`, the declaration that `describe()` returns, and
`scorecard.json`, the bank's coefficients. Compares them with committed ones.

`scorecard.json`: `base`, and for each feature `points` by bin and `missing`. A number's bins are
told apart by `below`: a value is in the first bin whose limit it is below, and the last bin has no
limit. A category has one entry of `points` for each declared value.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np

from scorecard import BASE_ODDS, BASE_SCORE, PDO, Card, Feature

GRADES = [("AAA", 800.0), ("AA", 700.0), ("A", 620.0), ("BBB", 550.0), ("BB", 480.0), ("B", 420.0), ("CCC", 0.0)]


def scorecard(card: Card, name: str, version: str) -> dict:
    features = []
    for t, points, missing in zip(card.tables, card.points, card.missing, strict=True):
        bins = {} if t.feature.values else {"below": t.below}
        features.append({"name": t.feature.name, **bins, "points": points, "missing": missing})
    return {"model": name, "version": version, "base": card.base, "features": features}


def declaration(card: Card, head: dict, provenance: dict, golden: list[dict], min_coverage: float) -> dict:
    lows = [min([*p, m]) for p, m in zip(card.points, card.missing)]
    highs = [max([*p, m]) for p, m in zip(card.points, card.missing)]
    return {
        **head,
        "provenance": provenance,
        "min_coverage": min_coverage,
        "scale": {"base_score": BASE_SCORE, "base_odds": BASE_ODDS, "pdo": PDO},
        "base": card.base,
        "min_score": math.floor((card.base + sum(lows)) * 100) / 100,
        "max_score": math.ceil((card.base + sum(highs)) * 100) / 100,
        "grades": [{"grade": g, "at_least": at} for g, at in GRADES],
        "features": [_feature(f, i) for i, f in enumerate(card.features, 1)],
        "golden": golden,
    }


def _feature(f: Feature, number: int) -> dict:
    if f.values:
        kind = {"category": {"values": list(f.values)}}
    else:
        limits = {"min": f.low, "max": f.high, "unit": f.unit}
        kind = {"number": {k: v for k, v in limits.items() if v not in (None, "")}}
    reason = {"code": f"R{number:02}", "text": f.reason}
    return {"name": f.name, "label": f.label, "kind": kind, "reason": reason, "missing": f.missing}


def golden(card: Card, rows: list[dict]) -> list[dict]:
    """The scores of some rows, given as raw values; a value that is None is left out."""
    cases = []
    for row in rows:
        columns = {f.name: np.array([f.encode(row.get(f.name))]) for f in card.features}
        given = {f.name: row[f.name] for f in card.features if row.get(f.name) is not None}
        cases.append({"input": given, "score": float(card.score(columns)[0])})
    return cases


def text(document: dict) -> str:
    """JSON with one key a line, and one element a line in lists of objects."""
    compact = lambda v: json.dumps(v, ensure_ascii=False)  # noqa: E731
    lines = []
    for key, value in document.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            body = ",\n".join("    " + compact(v) for v in value)
            lines.append(f"  {compact(key)}: [\n{body}\n  ]")
        else:
            lines.append(f"  {compact(key)}: {compact(value)}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def differences(a, b, at: str = "") -> list[str]:
    """Where two documents differ; numbers may be 1e-9 apart."""
    numbers = isinstance(a, (int, float)) and isinstance(b, (int, float))
    if numbers and not isinstance(a, bool):
        return [] if abs(a - b) <= 1e-9 else [f"{at}: {a} and {b}"]
    if isinstance(a, dict) and isinstance(b, dict):
        if list(a) != list(b):
            return [f"{at}: other keys"]
        return [d for k in a for d in differences(a[k], b[k], f"{at}.{k}")]
    if isinstance(a, list) and isinstance(b, list):
        if len(a) != len(b):
            return [f"{at}: {len(a)} and {len(b)} elements"]
        return [d for i, (x, y) in enumerate(zip(a, b)) for d in differences(x, y, f"{at}[{i}]")]
    return [] if a == b else [f"{at}: {a} and {b}"]


def settle(files: dict[Path, dict | list], check: bool) -> list[str]:
    """Writes the documents, or with `check` says where the committed ones differ."""
    faults = []
    for path, document in files.items():
        if not check:
            path.write_text(text(document), encoding="utf-8")
        elif not path.exists():
            faults.append(f"{path.name} is not there")
        else:
            committed = json.loads(path.read_text(encoding="utf-8"))
            faults += [f"{path.name}{d}" for d in differences(committed, document)]
    return faults
