//! The market: filter rows with counts, search, order, pages. All of its state is in the URL.

use sdk::prelude::*;

use super::{card, open_to_all};
use crate::model::{Product, ProductKind, Zone};

const PAGE: u32 = 9;

/// A band of a filter row: value in the URL, words, bounds in 分 or months.
type Band = (&'static str, &'static str, Option<i64>, Option<i64>);

const AMOUNTS: [Band; 4] = [
    ("to-100", "100 万以下", None, Some(100_000_000)),
    (
        "100-500",
        "100–500 万",
        Some(100_000_001),
        Some(500_000_000),
    ),
    (
        "500-1000",
        "500–1000 万",
        Some(500_000_001),
        Some(1_000_000_000),
    ),
    ("over-1000", "1000 万以上", Some(1_000_000_001), None),
];
const TERMS: [Band; 4] = [
    ("to-6", "6 个月内", None, Some(6)),
    ("to-12", "1 年内", Some(7), Some(12)),
    ("to-36", "1–3 年", Some(13), Some(36)),
    ("over-36", "3 年以上", Some(37), None),
];
const ORDERS: [(&str, &str); 4] = [
    ("rate", "利率从低到高"),
    ("amount", "额度从高到低"),
    ("term", "期限从长到短"),
    ("speed", "审批从快到慢"),
];

pub(super) fn page(ctx: &Ctx, ask: &Ask) -> Result<Page, Fault> {
    let choice = Chosen::of(ask);
    let number = ask.page_number();
    let found = ctx.find::<Product>(choice.find().page(number, PAGE))?;
    let total = found.total;
    let banks = counts(ctx, &choice, "institution_name")?;
    let kinds = counts(ctx, &choice, "kind")?;
    let zones = counts(ctx, &choice, "zone")?;

    let cards = Cards::new(
        CardLook::Product,
        found.into_iter().map(|p| card(ctx, &p)).collect(),
    )
    .filter(pick("institution", "金融机构", named(&banks)))
    .filter(pick(
        "kind",
        "产品类型",
        labelled(
            ProductKind::ALL.iter().map(|k| (k.value(), k.label())),
            &kinds,
        ),
    ))
    .filter(pick(
        "amount",
        "最高额度",
        AMOUNTS.iter().map(|b| Choice::new(b.0, b.1)).collect(),
    ))
    .filter(pick(
        "term",
        "最长期限",
        TERMS.iter().map(|b| Choice::new(b.0, b.1)).collect(),
    ))
    .filter(pick(
        "zone",
        "特色专区",
        labelled(Zone::ALL.iter().map(|z| (z.value(), z.label())), &zones),
    ))
    .filter(
        pick(
            "sort",
            "排序",
            ORDERS.iter().map(|o| Choice::new(o.0, o.1)).collect(),
        )
        .required()
        .initial("rate"),
    )
    .search("搜产品、机构、特点，可用拼音")
    .paging(number, PAGE, total)
    .empty("没有符合条件的产品。请减少筛选条件，或清空搜索词后再试。");
    Ok(Page::new("金融产品超市")
        .subtitle(format!("{} 家机构 · {total} 款产品", banks.len()))
        .under("首页", "/")
        .action(
            Action::open("一键测额", "/lending/quota")
                .icon("calculator")
                .primary(),
        )
        .block(Block::cards("products", cards)))
}

fn pick(name: &str, label: &str, choices: Vec<Choice>) -> Field {
    Field::pick(name, label, choices)
}

/// What the URL asks for.
struct Chosen<'a> {
    ask: &'a Ask,
}

impl<'a> Chosen<'a> {
    fn of(ask: &'a Ask) -> Self {
        Self { ask }
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.ask.query(name)
    }

    /// Everything asked for, except the facet that is being counted.
    fn filter(&self, except: &str) -> Filter {
        let mut all = vec![open_to_all()];
        if let Some(bank) = self
            .text("institution")
            .filter(|_| except != "institution_name")
        {
            all.push(Product::INSTITUTION_NAME.eq(bank));
        }
        if let Some(kind) = self.text("kind").filter(|_| except != "kind") {
            all.push(Filter::eq(Product::KIND.name(), kind));
        }
        if let Some(zone) = self.text("zone").filter(|_| except != "zone") {
            all.push(Filter::eq(Product::ZONE.name(), zone));
        }
        if let Some((_, _, min, max)) = self.band("amount", &AMOUNTS) {
            all.push(range(
                Product::AMOUNT_MAX.name(),
                min.map(yuan),
                max.map(yuan),
            ));
        }
        if let Some((_, _, min, max)) = self.band("term", &TERMS) {
            all.push(range(
                Product::TERM_MAX.name(),
                min.map(Value::from),
                max.map(Value::from),
            ));
        }
        if let Some(words) = self.text("q") {
            all.push(Filter::search(words));
        }
        Filter::And(all)
    }

    fn band(&self, name: &str, bands: &[Band]) -> Option<Band> {
        let value = self.text(name)?;
        bands.iter().copied().find(|b| b.0 == value)
    }

    fn find(&self) -> Find<Product> {
        let find = Find::<Product>::new().filter(self.filter(""));
        match self.text("sort").unwrap_or_default() {
            "amount" => find.sort(Product::AMOUNT_MAX.desc()),
            "term" => find.sort(Product::TERM_MAX.desc()),
            "speed" => find.sort(Product::APPROVAL_DAYS.asc()),
            _ => find.sort(Product::RATE_FROM.asc()),
        }
    }
}

fn yuan(fen: i64) -> Value {
    Money::from_units(fen).to_string().into()
}

fn range(field: &str, min: Option<Value>, max: Option<Value>) -> Filter {
    Filter::Range {
        field: field.into(),
        min,
        max,
    }
}

/// How many products there are of each value of a field, most first.
fn counts(ctx: &Ctx, chosen: &Chosen<'_>, field: &str) -> Result<Vec<(String, u32)>, Fault> {
    let groups = ctx.aggregate(Aggregate {
        collection: Product::COLLECTION.into(),
        filter: Some(chosen.filter(field)),
        group_by: vec![field.into()],
        measures: vec![Measure::Count],
        ..Aggregate::default()
    })?;
    let mut counts: Vec<(String, u32)> = groups
        .iter()
        .filter_map(|group| {
            let value = group.keys.first()?.as_str()?;
            let count = group.measures.first()?.as_u64()?;
            Some((value.to_owned(), u32::try_from(count).unwrap_or(u32::MAX)))
        })
        .collect();
    counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    Ok(counts)
}

fn named(counts: &[(String, u32)]) -> Vec<Choice> {
    counts
        .iter()
        .map(|(name, count)| Choice::new(name, name).count(*count))
        .collect()
}

fn labelled<'a>(
    options: impl Iterator<Item = (&'a str, &'a str)>,
    counts: &[(String, u32)],
) -> Vec<Choice> {
    options
        .map(|(value, label)| {
            let count = counts
                .iter()
                .find(|(v, _)| v == value)
                .map_or(0, |(_, n)| *n);
            Choice::new(value, label).count(count)
        })
        .collect()
}
