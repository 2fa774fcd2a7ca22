"""The Python evaluator against the committed files. Needs nothing but Python.

    python -m unittest
"""

import json
import unittest
from math import inf, nan
from pathlib import Path

from scorecard import Scorecard

CARD_TEXT = (Path(__file__).parent.parent / "rust" / "scorecard.json").read_text(encoding="utf-8")
MODEL = json.loads((Path(__file__).parent.parent / "rust" / "model.json").read_text(encoding="utf-8"))
SMALL = """{"base": 600.5, "features": [
    {"name": "age", "below": [20, 40.5], "points": [-10, 0.25, 12], "missing": -1},
    {"name": "grade", "points": [30, -7], "missing": 0}]}"""


def encode(case):
    """A golden case as the host encodes it."""
    row = []
    for feature in MODEL["features"]:
        value = case.get(feature["name"])
        if value is None:
            row.append(nan)
        elif "category" in feature["kind"]:
            row.append(float(feature["kind"]["category"]["values"].index(value)))
        else:
            row.append(float(value))
    return row


class TheEvaluator(unittest.TestCase):
    def test_golden_cases_hold_and_contributions_sum_to_the_score(self):
        card = Scorecard(CARD_TEXT)
        self.assertGreaterEqual(len(MODEL["golden"]), 5)
        for case in MODEL["golden"]:
            scores, contributions = card.score(1, encode(case["input"]), True)
            self.assertAlmostEqual(scores[0], case["score"], delta=1e-9)
            self.assertAlmostEqual(card.base + sum(contributions), scores[0], delta=1e-9)

    def test_a_value_on_a_limit_is_in_the_next_bin(self):
        values = [19.99, 0.0, 20.0, 0.0, 40.5, 1.0, nan, nan]
        scores, contributions = Scorecard(SMALL).score(4, values, True)
        self.assertEqual(scores, [620.5, 630.75, 605.5, 599.5])
        self.assertEqual(contributions, [-10.0, 30.0, 0.25, 30.0, 12.0, -7.0, -1.0, 0.0])
        self.assertEqual(Scorecard(SMALL).score(1, values[:2], False)[1], [])

    def test_a_value_without_a_bin_is_an_error_for_the_batch(self):
        for value in (2.0, -1.0, 0.5, 1e300, inf, -inf):
            with self.assertRaisesRegex(ValueError, "row 0: grade"):
                Scorecard(SMALL).score(1, [1.0, value], False)
        with self.assertRaisesRegex(ValueError, "row 1: age"):
            Scorecard(SMALL).score(2, [1.0, 0.0, inf, 0.0], False)
        with self.assertRaisesRegex(ValueError, "3 values are not 2 rows"):
            Scorecard(SMALL).score(2, [1.0, 0.0, 1.0], False)


if __name__ == "__main__":
    unittest.main()
