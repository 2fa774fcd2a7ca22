"""Fits a scorecard: WOE binning, logistic regression on the WOEs, and points.

Shared by `german.py` and `city.py`. Rows are encoded as the model will see them: a float a feature,
a category as its index in the declared list, NaN for missing. `y` is 1 for a default.

Every number of the fit is deterministic; points are rounded to six digits, so that each of them
is a short decimal which every language reads to the same float.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

# score = OFFSET + FACTOR * ln(odds good to bad)
BASE_SCORE, BASE_ODDS, PDO = 600.0, 20.0, 50.0
FACTOR = PDO / np.log(2.0)
OFFSET = BASE_SCORE - FACTOR * np.log(BASE_ODDS)

DIGITS = 6


@dataclass(frozen=True)
class Feature:
    """What is declared about a feature. `direction` is +1 when more is better, -1 when more is
    worse, 0 when the data may say which; categories are free unless `ordered` from best to worst.
    """

    name: str
    label: str
    reason: str
    values: tuple[str, ...] = ()
    ordered: bool = False
    direction: int = 0
    low: float | None = None
    high: float | None = None
    unit: str = ""
    missing: str = "neutral"

    def encode(self, value) -> float:
        if value is None:
            return float("nan")
        if self.values:
            return float(self.values.index(value)) if value in self.values else float("nan")
        return float(value)


@dataclass(frozen=True)
class Binning:
    """How fine a feature is cut. `chi` is the least chi-square between neighbours; `weight` is how
    many average rows are added to each bin before its WOE is taken."""

    fine: int = 20
    most: int = 6
    share: float = 0.05
    chi: float = 2.7
    weight: float = 10.0
    ridge: float = 1.0


@dataclass
class Table:
    """A feature's bins: a number falls in the bin of the first `below` it is below; a category
    has a bin of its own. `woe` is ln of the odds good to bad over the average odds."""

    feature: Feature
    below: list[float]
    woe: list[float]
    missing: float = 0.0
    iv: float = 0.0

    def index(self, x: np.ndarray) -> np.ndarray:
        filled = np.nan_to_num(x, nan=0.0)
        if self.feature.values:
            return filled.astype(int)
        return np.searchsorted(np.asarray(self.below), filled, side="right")

    def take(self, x: np.ndarray, table: list[float], missing: float) -> np.ndarray:
        return np.where(np.isnan(x), missing, np.asarray(table)[self.index(x)])


@dataclass
class Card:
    """A fitted scorecard in points: score = base + one entry of each feature."""

    base: float
    tables: list[Table]
    points: list[list[float]] = field(default_factory=list)
    missing: list[float] = field(default_factory=list)

    @property
    def features(self) -> list[Feature]:
        return [t.feature for t in self.tables]

    def contributions(self, columns: dict[str, np.ndarray]) -> np.ndarray:
        return np.column_stack(
            [
                t.take(columns[t.feature.name], p, m)
                for t, p, m in zip(self.tables, self.points, self.missing, strict=True)
            ]
        )

    def score(self, columns: dict[str, np.ndarray]) -> np.ndarray:
        """Summed left to right from the base, in the order every evaluator must keep."""
        parts = self.contributions(columns)
        total = np.full(len(parts), self.base)
        for column in parts.T:
            total = total + column
        return total


def woe(good: np.ndarray, bad: np.ndarray, goods: float, bads: float, weight: float) -> np.ndarray:
    """With `weight` average rows added to each bin, so that small bins tend to 0."""
    total = goods + bads
    g = good + weight * goods / total
    b = bad + weight * bads / total
    return np.log(g / b) - np.log(goods / bads)


def _chi(a: np.ndarray, b: np.ndarray) -> float:
    table = np.array([a, b], dtype=float)
    expected = np.outer(table.sum(1), table.sum(0)) / table.sum()
    with np.errstate(invalid="ignore", divide="ignore"):
        return float(np.nansum((table - expected) ** 2 / expected))


def _merge(counts: list[np.ndarray], groups: list, rows: int, rule: Binning, direction: int):
    """Joins neighbours until the bad rate goes one way (+1 falls, -1 rises, 0 either), every bin is
    large enough, and neighbours differ. `counts` are (good, bad) pairs."""

    def join(i: int) -> None:
        counts[i] = counts[i] + counts.pop(i + 1)
        groups[i] = groups[i] + groups.pop(i + 1)

    def rate(c: np.ndarray) -> float:
        return c[1] / max(c.sum(), 1)

    while len(counts) > 1:
        wrong = [
            i
            for i in range(len(counts) - 1)
            if direction and (rate(counts[i + 1]) - rate(counts[i])) * direction > 0
        ]
        small = [i for i, c in enumerate(counts) if c.sum() < rule.share * rows or c.min() < 1]
        chis = [_chi(a, b) for a, b in zip(counts, counts[1:])]
        if wrong:
            join(wrong[0])
        elif small:
            i = small[0]
            left = chis[i - 1] if i > 0 else np.inf
            right = chis[i] if i < len(chis) else np.inf
            join(i - 1 if left <= right else i)
        elif len(counts) > rule.most or min(chis) < rule.chi:
            join(int(np.argmin(chis)))
        else:
            break
    return counts, groups


def _count(x: np.ndarray, y: np.ndarray, where: np.ndarray) -> np.ndarray:
    bad = int(y[where].sum())
    return np.array([int(where.sum()) - bad, bad])


def bin_feature(feature: Feature, x: np.ndarray, y: np.ndarray, rule: Binning) -> Table:
    present = ~np.isnan(x)
    goods, bads = float((1 - y).sum()), float(y.sum())
    rows = int(present.sum())
    if feature.values:
        seen = [i for i in range(len(feature.values)) if (x == i).any()]
        counts = {i: _count(x, y, x == i) for i in seen}
        if not feature.ordered:
            base = bads / (goods + bads)
            # by bad rate, pulled to the average as the WOE will be
            seen.sort(key=lambda i: (counts[i][1] + rule.weight * base) / (counts[i].sum() + rule.weight))
        direction = -1 if feature.ordered else 0  # best first, so the bad rate rises
        start = [counts[i] for i in seen], [[i] for i in seen]
    else:
        edges = np.unique(x[present])
        if len(edges) > rule.fine:
            shares = np.linspace(0, 1, rule.fine + 1)[1:-1]
            edges = np.unique(np.quantile(x[present], shares, method="higher"))
        edges = [e for e in edges if e > x[present].min()]
        limits = [-np.inf, *edges, np.inf]
        start = (
            [_count(x, y, (x >= a) & (x < b)) for a, b in zip(limits, limits[1:])],
            [[a] for a in limits[:-1]],
        )
        direction = feature.direction or int(np.sign(_trend(x[present], y[present]))) or 1
    counts, groups = _merge(list(start[0]), list(start[1]), rows, rule, direction)
    values = woe(
        np.array([c[0] for c in counts]), np.array([c[1] for c in counts]), goods, bads, rule.weight
    )
    iv = sum((c[0] / goods - c[1] / bads) * v for c, v in zip(counts, values))
    missing = 0.0
    if feature.missing == "own" and not present.all():
        g, b = _count(x, y, ~present)
        missing = float(woe(np.array([g]), np.array([b]), goods, bads, rule.weight)[0])
    if feature.values:
        of = {i: v for group, v in zip(groups, values) for i in group}
        table = [float(of.get(i, 0.0)) for i in range(len(feature.values))]
        return Table(feature, [], table, missing, float(iv))
    below = [float(group[0]) for group in groups[1:]]
    return Table(feature, below, [float(v) for v in values], missing, float(iv))


def _trend(x: np.ndarray, y: np.ndarray) -> float:
    """Above 0 when larger values go with fewer defaults."""
    return auc(x, y) - 0.5


def fit_logistic(design: np.ndarray, y: np.ndarray, ridge: float) -> np.ndarray:
    """Newton steps for the log-odds of default, intercept first; the intercept is not penalised."""
    a = np.column_stack([np.ones(len(y)), design])
    penalty = np.diag([0.0] + [ridge] * design.shape[1])
    beta = np.zeros(a.shape[1])
    for _ in range(100):
        p = 1.0 / (1.0 + np.exp(-(a @ beta)))
        gradient = a.T @ (y - p) - penalty @ beta
        step = np.linalg.solve((a * (p * (1 - p))[:, None]).T @ a + penalty, gradient)
        beta = beta + step
        if np.abs(step).max() < 1e-13:
            break
    return beta


def fit(features: list[Feature], columns: dict[str, np.ndarray], y: np.ndarray, rule: Binning) -> Card:
    """Bins every feature, then regresses; a feature whose weight comes out on the wrong side, or
    that ends in one bin, is left out."""
    tables = [bin_feature(f, columns[f.name], y, rule) for f in features]
    tables = [t for t in tables if len(set(t.woe)) > 1]
    while True:
        design = np.column_stack([t.take(columns[t.feature.name], t.woe, t.missing) for t in tables])
        beta = fit_logistic(design, y, rule.ridge)
        # a WOE is good over bad, so it must lower the log-odds of default
        worst = int(np.argmax(beta[1:]))
        if beta[1 + worst] < 0:
            break
        tables.pop(worst)
    card = Card(round(float(OFFSET - FACTOR * beta[0]), DIGITS), tables)
    for t, b in zip(tables, beta[1:], strict=True):
        weight = -FACTOR * b
        card.points.append([_points(weight * v) for v in t.woe])
        card.missing.append(_points(weight * t.missing))
    return card


def _points(value: float) -> float:
    return round(float(value), DIGITS) + 0.0  # never -0.0


def auc(score: np.ndarray, y: np.ndarray) -> float:
    """Chance that a good row's score is above a bad row's; ties count half."""
    order = np.argsort(score, kind="stable")
    ranks = np.empty(len(score))
    values, start, size = np.unique(score[order], return_index=True, return_counts=True)
    for s, n in zip(start, size):
        ranks[order[s : s + n]] = s + (n + 1) / 2
    goods, bads = float((y == 0).sum()), float((y == 1).sum())
    return float((ranks[y == 0].sum() - goods * (goods + 1) / 2) / (goods * bads))


def ks(score: np.ndarray, y: np.ndarray) -> float:
    """Largest distance between the two cumulative shares, taken between distinct scores."""
    values = np.unique(score)
    bad = np.searchsorted(np.sort(score[y == 1]), values, side="right") / (y == 1).sum()
    good = np.searchsorted(np.sort(score[y == 0]), values, side="right") / (y == 0).sum()
    return float(np.abs(bad - good).max())
