"""A synthetic city of enterprises with a planted truth, and the tax-loan scorecard fitted on it.

    python city.py                        writes ../tax-loan/model.json and scorecard.json
    python city.py --check                fits again; fails if these or demo-city.json differ
    python city.py --portfolio FILE.csv   writes the loans the scorecard is fitted on
    python city.py --demo N --out FILE    writes N enterprises for the demo

Everything is invented. The same seed gives the same city: numpy's `RandomState` stream is frozen.

The truth: each enterprise has a latent quality q ~ N(0,1) and a growth; its tax, social-security,
utility and judicial data are driven by them with noise. Loans were granted by a noisy impression of
q. A loan defaults with log-odds -5.5 - 0.9 q - 0.6 growth + 0.5 events + macro(year). The model
sees the data, never q; the AUC of the truth itself is therefore the ceiling, and it is recorded
beside the model's. Loans of the last year are held out, so the quality is measured out of time.

Format of the demo file: a list of enterprises, each
    name           invented
    uscc           18 characters of the test block MA9; both check characters hold (GB 32100, GB 11714)
    district       code of GB/T 2260, and district_name
    industry       section of GB/T 4754, and industry_name
    established    date
    features       the model's inputs by name; null when there is no record.
                   元 are whole numbers, ratios have four digits, counts and months are integers
    score, grade   of the committed tax-loan model
"""

from __future__ import annotations

import argparse
import csv
import datetime
import json
import sys
from pathlib import Path

import numpy as np

import documents
from scorecard import Binning, Card, Feature, auc, fit, ks

HERE = Path(__file__).resolve().parent
OUT = HERE.parent / "tax-loan"
DEMO = HERE / "demo-city.json"
DEMO_SIZE = 24
SEED = 20260101
LOANS = 30_000
# Log-odds of the year, on top of the intercept; the last year is held out.
MACRO = {2023: 1.7, 2024: 1.85, 2025: 2.0}

F = Feature
FEATURES = [
    F("tax.paid_12m", "近12个月纳税额", "近12个月纳税额偏低", direction=1, low=0, high=1e11, unit="元", missing="own"),
    F("tax.sales_12m", "近12个月销售收入", "近12个月销售收入偏低", direction=1, low=0, high=1e13, unit="元", missing="own"),
    F("tax.sales_cv", "月销售收入变异系数", "月销售收入起伏偏大", direction=-1, low=0, high=10, missing="own"),
    F("tax.grade", "纳税信用等级", "纳税信用等级偏低", ("A", "B", "M", "C", "D"), ordered=True, missing="neutral"),
    F("tax.months_declared", "连续申报月数", "连续申报时间偏短", direction=1, low=0, high=36, unit="月", missing="own"),
    F("social.insured", "参保人数", "参保人数偏少", direction=1, low=0, high=1e6, unit="人", missing="own"),
    F("social.insured_change_12m", "参保人数同比变动", "参保人数同比下降", direction=1, low=-1, high=50, missing="own"),
    F("social.months_in_arrears", "社保欠缴月数", "存在社保欠缴", direction=-1, low=0, high=36, unit="月", missing="own"),
    F("utility.power_change_12m", "用电量同比变动", "用电量同比下降", direction=1, low=-1, high=50, missing="own"),
    F("utility.arrears_count", "水电气欠费次数", "存在水电气欠费", direction=-1, low=0, high=1000, unit="次", missing="own"),
    F("judicial.enforcement_count", "被执行案件数", "存在被执行案件", direction=-1, low=0, high=10_000, unit="件"),
    F("judicial.dishonest_count", "失信被执行记录数", "存在失信被执行记录", direction=-1, low=0, high=10_000, unit="条"),
    F("judicial.penalty_count", "行政处罚次数", "存在行政处罚", direction=-1, low=0, high=10_000, unit="次"),
]
HEAD = {
    "name": "tax-loan",
    "version": "1.0.0",
    "title": "税易贷企业评分卡",
    "description": "小微企业信用贷款评分：税务、社保、水电与司法数据，WOE 分箱加逻辑回归，在合成示范城市上拟合。",
    "target": {"label": "放款后 12 个月内逾期 90 天以上", "column": "default", "bad": "1"},
}
# A bin needs fewer rows than in a small sample: events are rare, and there are many loans.
RULE = Binning(share=0.004, chi=6.6, weight=20.0)

DISTRICTS = {
    "310101": "黄浦区", "310104": "徐汇区", "310105": "长宁区", "310106": "静安区", "310107": "普陀区",
    "310109": "虹口区", "310110": "杨浦区", "310112": "闵行区", "310113": "宝山区", "310114": "嘉定区",
    "310115": "浦东新区", "310116": "金山区", "310117": "松江区", "310118": "青浦区", "310120": "奉贤区",
    "310151": "崇明区",
}
# section: name, share, monthly sales of the middle enterprise (元), tax burden, sales a head and month (元)
SECTIONS = {
    "C": ("制造业", 0.26, 900_000, 0.035, 55_000),
    "E": ("建筑业", 0.08, 800_000, 0.030, 60_000),
    "F": ("批发和零售业", 0.28, 1_000_000, 0.012, 110_000),
    "G": ("交通运输、仓储和邮政业", 0.07, 500_000, 0.022, 45_000),
    "H": ("住宿和餐饮业", 0.05, 250_000, 0.025, 22_000),
    "I": ("信息传输、软件和信息技术服务业", 0.10, 450_000, 0.045, 40_000),
    "L": ("租赁和商务服务业", 0.08, 350_000, 0.040, 35_000),
    "M": ("科学研究和技术服务业", 0.08, 400_000, 0.045, 40_000),
}
TRADES = {
    "C": ["精密机械", "电气设备", "新材料", "汽车零部件", "医疗器械"],
    "E": ["建筑工程", "机电安装"],
    "F": ["食品贸易", "建材贸易", "五金商贸", "纺织品贸易"],
    "G": ["供应链", "冷链物流"],
    "H": ["餐饮管理", "酒店管理"],
    "I": ["软件技术", "数据科技"],
    "L": ["商务服务", "设备租赁"],
    "M": ["检测技术", "环境科技"],
}
BRANDS = [
    "澜屿禾", "沐川岚", "衡芷原", "青筠屿", "拓岑宁", "晏礼和", "朴桐里", "砚溪同",
    "岑嘉木", "珩渡远", "禾汀序", "望岫川", "芃野成", "屿安澄", "陌上筑", "予舟泊",
    "榆影长", "霁川行", "知屿构", "简禾声", "云岫谷", "未央砺", "清瓯泽", "柏舟济",
]


def city(n: int, seed: int) -> list[dict]:
    """Enterprises with their features, default and planted log-odds."""
    r = np.random.RandomState(seed)
    return [_enterprise(r) for _ in range(n)]


def loans() -> list[dict]:
    """Those of the city's enterprises that got a loan."""
    return [e for e in city(LOANS * 3 // 2, SEED) if e["granted"]][:LOANS]


def _enterprise(r: np.random.RandomState) -> dict:
    quality, shock = r.normal(), r.normal()
    growth = 0.2 * quality + 0.5 * shock
    codes = list(SECTIONS)
    section = codes[r.choice(len(codes), p=[SECTIONS[c][1] for c in codes])]
    _, _, middle, burden, head_sales = SECTIONS[section]
    district = list(DISTRICTS)[r.randint(len(DISTRICTS))]
    year = (2023, 2024, 2025)[r.randint(3)]
    age = min(int(6 + r.exponential(70) + 6 * max(quality, 0)), 400)  # months

    # twelve months of sales: level, trend, season, noise
    level = middle * np.exp(1.0 * r.normal() + 0.4 * quality)
    months = np.arange(12)
    noise = r.normal(size=12) * 0.12 * np.exp(-0.45 * quality + 0.3 * r.normal())
    sales = level * np.exp(0.012 * growth * months + 0.08 * np.sin(months * np.pi / 6) + noise)
    total = float(sales.sum())
    paid = total * burden * np.exp(0.6 * r.normal() + 0.3 * quality)

    staff = max(1, int(round(total / 12 / head_sales * np.exp(0.4 * r.normal() + 0.25 * quality))))
    staff_change = float(np.clip(np.exp(0.26 * growth + 0.16 * r.normal()) - 1, -0.9, 5))
    social_arrears = int(min(r.poisson(np.exp(-2.6 - 0.7 * quality)), 12))
    power_change = float(np.clip(np.exp(0.26 * growth + 0.14 * r.normal()) - 1, -0.95, 5))
    utility_arrears = int(min(r.poisson(np.exp(-2.5 - 0.6 * quality)), 12))
    enforcement = int(min(r.poisson(np.exp(-3.0 - 0.7 * quality)), 12))
    dishonest = int(r.binomial(enforcement, 0.35)) if enforcement else 0
    penalty = int(min(r.poisson(np.exp(-2.7 - 0.5 * quality)), 12))
    mark = quality + 0.7 * r.normal()
    grade = "M" if age < 24 else "A" if mark > 0.9 else "B" if mark > -1.1 else "C" if mark > -2.1 else "D"

    events = min(social_arrears + utility_arrears + enforcement + dishonest + penalty, 5)
    odds = -5.5 - 0.9 * quality - 0.6 * growth + 0.5 * events + MACRO[year]
    granted = bool(quality + r.normal() > -0.9)
    default = int(r.uniform() < 1 / (1 + np.exp(-odds)))

    features = {
        "tax.paid_12m": int(round(paid)),
        "tax.sales_12m": int(round(total)),
        "tax.sales_cv": round(float(sales.std() / sales.mean()), 4),
        "tax.grade": grade,
        "tax.months_declared": min(age, 36),
        "social.insured": staff,
        "social.insured_change_12m": round(staff_change, 4),
        "social.months_in_arrears": social_arrears,
        "utility.power_change_12m": round(power_change, 4),
        "utility.arrears_count": utility_arrears,
        "judicial.enforcement_count": enforcement,
        "judicial.dishonest_count": dishonest,
        "judicial.penalty_count": penalty,
    }
    # no social account, or a landlord's meter: nothing is known, and it says little
    no_social, no_meter = r.uniform() < 0.05, r.uniform() < 0.15
    for name in features:
        if (no_social and name.startswith("social.")) or (no_meter and name.startswith("utility.")):
            features[name] = None
    return {
        "year": year, "section": section, "district": district, "age": age,
        "features": features, "granted": granted, "default": default, "odds": float(odds),
    }


def encode(enterprises: list[dict]) -> dict[str, np.ndarray]:
    return {f.name: np.array([f.encode(e["features"][f.name]) for e in enterprises]) for f in FEATURES}


def fit_tax_loan() -> tuple[Card, dict]:
    """The card, fitted on the years before the last, and its declaration."""
    rows = loans()
    y = np.array([e["default"] for e in rows])
    truth = -np.array([e["odds"] for e in rows])
    columns = encode(rows)
    held = np.array([e["year"] for e in rows]) == max(MACRO)
    card = fit(FEATURES, {k: v[~held] for k, v in columns.items()}, y[~held], RULE)
    scores = card.score(columns)
    held_auc, held_ks = auc(scores[held], y[held]), ks(scores[held], y[held])
    ceiling = auc(truth[held], y[held])
    print(f"{len(y)} loans, {y.mean():.2%} defaults; features kept: {len(card.features)} of {len(FEATURES)}")
    print(f"held out, {held.sum()} loans of {max(MACRO)}   AUC {held_auc:.4f}   KS {held_ks:.4f}")
    print(f"planted truth on the same loans   AUC {ceiling:.4f}")
    provenance = {
        "data": f"合成示范城市，{LOANS} 笔贷款",
        "source": "examples/bank-models/fit/city.py",
        "rows": len(y),
        "seed": SEED,
        "command": "examples/bank-models/fit/city.py",
        "held_out_rows": int(held.sum()),
        "held_out_auc": round(held_auc, 6),
        "held_out_ks": round(held_ks, 6),
        "note": f"用 {min(MACRO)} 至 {max(MACRO) - 1} 年放款拟合，{max(MACRO)} 年放款作时间外检验；"
        f"预设真值在同一批贷款上的 AUC 为 {ceiling:.4f}，是任何模型的上限。",
    }
    examples = [e["features"] for e in rows[:6]]
    examples.append(next(e["features"] for e in rows if e["features"]["judicial.dishonest_count"]))
    examples.append(next(e["features"] for e in rows if e["features"]["utility.arrears_count"] is None))
    golden = documents.golden(card, examples)
    return card, documents.declaration(card, HEAD, provenance, golden, 0.6)


def demo(n: int, card: Card) -> list[dict]:
    """Enterprises spread evenly over the planted risk, the last with a record of dishonesty, so
    that a demo meets every case."""
    pool = sorted(city(60 * n, SEED + 1), key=lambda e: e["odds"])
    chosen = [pool[int((i + 0.5) * len(pool) / n)] for i in range(n - 1)]
    chosen.append([e for e in pool if e["features"]["judicial.dishonest_count"]][-1])
    r = np.random.RandomState(SEED + 2)
    out = []
    for i, brand in zip(r.permutation(n), BRANDS, strict=False):
        e = chosen[i]
        score = float(card.score(encode([e]))[0])
        trades = TRADES[e["section"]]
        name = f"上海{brand}{trades[len(out) % len(trades)]}有限公司"
        first = datetime.date(2026, 1, 1) - datetime.timedelta(days=30 * e["age"] + int(r.randint(30)))
        out.append({
            "name": name,
            "uscc": uscc(e["district"], f"MA9{len(out) + 1:05d}"),
            "district": e["district"],
            "district_name": DISTRICTS[e["district"]],
            "industry": e["section"],
            "industry_name": SECTIONS[e["section"]][0],
            "established": first.isoformat(),
            "features": e["features"],
            "score": score,
            "grade": next(g for g, at in documents.GRADES if score >= at),
        })
    return out


def uscc(district: str, body: str) -> str:
    """An enterprise's code over the eight characters of its body, with both check characters."""
    weights = [3, 7, 9, 10, 5, 8, 4, 2]
    c = 11 - sum(int(ch, 36) * w for ch, w in zip(body, weights)) % 11
    code = "91" + district + body + {10: "X", 11: "0"}.get(c, str(c))
    alphabet = "0123456789ABCDEFGHJKLMNPQRTUWXY"
    total = sum(alphabet.index(ch) * pow(3, i, 31) for i, ch in enumerate(code))
    return code + alphabet[(31 - total % 31) % 31]


def demo_text(enterprises: list[dict]) -> str:
    lines = ",\n".join("  " + json.dumps(e, ensure_ascii=False) for e in enterprises)
    return f"[\n{lines}\n]\n"


def portfolio(path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as f:
        out = csv.writer(f)
        out.writerow([*(x.name for x in FEATURES), "year", "default"])
        for e in loans():
            values = ["" if v is None else v for v in e["features"].values()]
            out.writerow([*values, e["year"], e["default"]])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true", help="compare with the committed files")
    parser.add_argument("--portfolio", type=Path, metavar="FILE")
    parser.add_argument("--demo", type=int, metavar="N", help=f"at most {len(BRANDS)}")
    parser.add_argument("--out", type=Path, metavar="FILE")
    args = parser.parse_args()
    if args.portfolio:
        portfolio(args.portfolio)
        return
    if args.demo is not None and (args.out is None or not 1 <= args.demo <= len(BRANDS)):
        parser.error(f"--demo takes 1 to {len(BRANDS)} and needs --out")

    card, declared = fit_tax_loan()
    if args.demo is not None:
        args.out.write_text(demo_text(demo(args.demo, card)), encoding="utf-8")
        return
    files = {
        OUT / "model.json": declared,
        OUT / "scorecard.json": documents.scorecard(card, HEAD["name"], HEAD["version"]),
    }
    faults = documents.settle(files, args.check)
    if args.check:
        committed = json.loads(DEMO.read_text(encoding="utf-8"))
        faults += [f"demo-city.json{d}" for d in documents.differences(committed, demo(DEMO_SIZE, card))]
    if faults:
        sys.exit("\n".join(faults))


if __name__ == "__main__":
    main()
