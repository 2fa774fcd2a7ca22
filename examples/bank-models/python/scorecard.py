"""Evaluates a scorecard: the arithmetic of `sdk/model`, in plain Python.

score = base + the points of each feature, added left to right in declared order. A value is NaN
when missing, and a category's value is its index.
"""

import json
from bisect import bisect_right
from math import isinf, isnan


class Scorecard:
    """Read from the text of `scorecard.json`."""

    def __init__(self, text):
        card = json.loads(text)
        self.base = float(card["base"])
        self.columns = [
            (f["name"], f.get("below"), [float(p) for p in f["points"]], float(f["missing"]))
            for f in card["features"]
        ]

    def score(self, rows, values, explain):
        """Scores and, if asked for, contributions of `rows` rows of row-major `values`.
        Raises ValueError when the batch gets no scores."""
        width = len(self.columns)
        if len(values) != rows * width:
            raise ValueError(f"{len(values)} values are not {rows} rows of {width} features")
        scores, contributions = [], []
        for start in range(0, len(values), width):
            parts = [
                _points(column, value, start // width)
                for column, value in zip(self.columns, values[start : start + width])
            ]
            # not sum(): since Python 3.12 it compensates, and every language must get the same bits
            score = self.base
            for part in parts:
                score += part
            scores.append(score)
            if explain:
                contributions += parts
        return scores, contributions


def _points(column, value, row):
    name, below, points, missing = column
    if isnan(value):
        return missing
    if below is not None:
        if isinf(value):
            raise ValueError(f"row {row}: {name} is not a finite number")
        return points[bisect_right(below, value)]
    if not 0 <= value < len(points) or value != int(value):
        raise ValueError(f"row {row}: {name} is not the index of a declared category")
    return points[int(value)]
