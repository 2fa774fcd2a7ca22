"""The fitting code on cases whose answer is known. `fit.py --check` and `city.py --check` prove
that the committed models come from it.

    python -m unittest
"""

import json
import unittest
from pathlib import Path

import numpy as np

import city
import documents
from scorecard import FACTOR, OFFSET, Binning, Feature, auc, bin_feature, fit, fit_logistic, ks, woe

GRADE = Feature("grade", "等级", "偏低", ("A", "B", "C"))


class Statistics(unittest.TestCase):
    def test_auc_and_ks_of_a_case_computed_by_hand(self):
        # a score is better when higher; bad rows are 0.1 and 0.5, one of them tied
        score, bad = np.array([0.1, 0.5, 0.5, 0.9]), np.array([1, 0, 1, 0])
        self.assertAlmostEqual(auc(score, bad), 0.875)
        self.assertAlmostEqual(ks(score, bad), 0.5)

    def test_woe_is_zero_at_the_average_and_small_bins_tend_to_it(self):
        values = woe(np.array([70, 9, 90]), np.array([30, 1, 10]), 700.0, 300.0, 10.0)
        self.assertAlmostEqual(values[0], 0.0)
        self.assertLess(values[1], values[2])
        self.assertAlmostEqual(values[2], np.log(97 / 13) - np.log(7 / 3))

    def test_scaling_agrees_with_the_published_examples(self):
        for probability, score in ((0.05, 596.30), (0.5, 383.903595)):
            self.assertAlmostEqual(OFFSET + FACTOR * np.log((1 - probability) / probability), score, 2)

    def test_newton_finds_the_planted_weights(self):
        r = np.random.RandomState(1)
        x = r.normal(size=(40_000, 2))
        y = (r.uniform(size=40_000) < 1 / (1 + np.exp(2 - x @ [0.8, -0.5]))).astype(int)
        np.testing.assert_allclose(fit_logistic(x, y, 0.0), [-2, 0.8, -0.5], atol=0.06)


class Binned(unittest.TestCase):
    def setUp(self):
        r = np.random.RandomState(2)
        self.x = np.where(r.uniform(size=5_000) < 0.1, np.nan, r.normal(size=5_000))
        risk = 1 / (1 + np.exp(2 + np.nan_to_num(self.x)))
        self.y = (r.uniform(size=5_000) < risk).astype(int)

    def test_points_rise_with_a_feature_of_which_more_is_better(self):
        feature = Feature("x", "x", "x", direction=1, missing="own")
        table = bin_feature(feature, self.x, self.y, Binning())
        self.assertGreater(len(table.woe), 2)
        self.assertEqual(table.woe, sorted(table.woe))
        self.assertNotEqual(table.missing, 0.0)

    def test_a_direction_the_data_deny_leaves_one_bin(self):
        table = bin_feature(Feature("x", "x", "x", direction=-1), self.x, self.y, Binning())
        self.assertEqual((len(table.woe), table.missing), (1, 0.0))

    def test_a_category_never_seen_is_neutral(self):
        x = (np.nan_to_num(self.x) > 0).astype(float)
        table = bin_feature(GRADE, x, self.y, Binning())
        self.assertLess(table.woe[0], 0)
        self.assertGreater(table.woe[1], 0)
        self.assertEqual(table.woe[2], 0.0)

    def test_scores_are_calibrated_log_odds(self):
        feature = Feature("x", "x", "x", direction=1)
        card = fit([feature], {"x": self.x}, self.y, Binning())
        odds = np.exp((card.score({"x": self.x}) - OFFSET) / FACTOR)
        self.assertAlmostEqual(float((1 / (1 + odds)).mean()), float(self.y.mean()), 4)


class City(unittest.TestCase):
    def test_codes_carry_both_check_characters(self):
        # the last two characters are the checks
        self.assertEqual(city.uscc("310115", "MA1H0001"), "91310115MA1H000125")

    def test_the_demo_file_is_as_documented(self):
        demo = json.loads((Path(__file__).parent / "demo-city.json").read_text(encoding="utf-8"))
        self.assertEqual(len(demo), city.DEMO_SIZE)
        for key in ("name", "uscc"):
            self.assertEqual(len({e[key] for e in demo}), len(demo))
        names = [f.name for f in city.FEATURES]
        for e in demo:
            self.assertEqual(list(e["features"]), names)
            self.assertEqual(e["uscc"], city.uscc(e["district"], e["uscc"][8:16]))
            self.assertTrue(e["uscc"][8:].startswith("MA9"))
        self.assertTrue(any(e["features"]["judicial.dishonest_count"] for e in demo))

    def test_the_same_seed_gives_the_same_city(self):
        self.assertEqual(city.city(20, 7), city.city(20, 7))
        self.assertNotEqual(city.city(20, 7), city.city(20, 8))


class Documents(unittest.TestCase):
    def test_the_text_is_the_document(self):
        document = {"a": 1.5, "b": [{"c": "中"}, {"d": None}], "e": [], "f": [1]}
        self.assertEqual(json.loads(documents.text(document)), document)

    def test_a_difference_is_named_where_it_is(self):
        a, b = {"x": [1.0, {"y": "z"}]}, {"x": [1.0 + 1e-10, {"y": "w"}]}
        self.assertEqual(documents.differences(a, b), [".x[1].y: z and w"])
        self.assertEqual(documents.differences({"x": 1.0}, {"x": 1.0 + 1e-8})[0][:2], ".x")


if __name__ == "__main__":
    unittest.main()
