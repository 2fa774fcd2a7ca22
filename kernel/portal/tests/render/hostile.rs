//! A page with one text in every place a text can stand, and a judge of the HTML.
#![expect(clippy::too_many_lines, reason = "one text in every place there is")]

use sdk_contract::page::*;

pub(super) const WORDS: [&str; 14] = [
    "<script>alert(1)</script>",
    "\"><script>alert(1)</script>",
    "'><img src=x onerror=alert(1)>",
    "\" onmouseover=\"alert(1)",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "//evil.example/x",
    "/\\evil.example",
    "data:text/html,<script>alert(1)</script>",
    "</textarea><script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "](javascript:alert(1)) [x](javascript:alert(1)) **<b>**",
    "{{constructor.constructor('alert(1)')()}}",
    "\u{202e}<svg/onload=alert(1)>\u{0}",
];

/// Every text of every block is `t`; so is every link.
pub(super) fn page(t: &str) -> Page {
    let action = || {
        vec![
            Action::open(t, t).icon(t),
            Action::download(t, t),
            Action::send(t, t)
                .record(t)
                .confirm(Confirm::new(t, t, t).reason(t)),
            Action::send(t, t).off(t),
        ]
    };
    let data = || {
        vec![
            Datum::text(t),
            Datum::Decimal(t.into()),
            Datum::quantity(t, t),
            Datum::ratio(t),
            Datum::date(t),
            Datum::status(t, Tone::Danger),
            Datum::link(t, t),
            Datum::Tags(vec![Status::new(t, Tone::Info)]),
            Datum::Masked(Masked {
                shown: t.into(),
                of: Some(Place {
                    collection: "lending.applications".into(),
                    id: t.into(),
                    field: "phone".into(),
                }),
                ..Masked::default()
            }),
            Datum::File(FileRef {
                id: t.into(),
                name: t.into(),
                bytes: 1,
                of: Some(Place {
                    collection: t.into(),
                    id: t.into(),
                    field: t.into(),
                }),
            }),
        ]
    };
    let facts = || {
        data()
            .into_iter()
            .map(|d| Fact::new(t, d).help(t))
            .collect::<Vec<_>>()
    };
    let choices = || vec![Choice::new(t, t)];
    let field = |kind| {
        Field::new(t, t, kind)
            .initial(t)
            .hint(t)
            .help(t)
            .prefilled(t, t)
            .when(t, [t])
    };
    let fields = [
        Field::area(t, t, 9).initial(t),
        Field::text(t, t, 9).initial(t),
        Field::number(t, t, None, None, t).initial(t),
        Field::money_wan(t, t, None, None).initial(t),
        Field::ratio(t, t, None, None).initial(t),
        Field::date(t, t).initial(t),
        field(FieldKind::Pick {
            choices: choices(),
            many: true,
            look: PickLook::Auto,
        }),
        field(FieldKind::Pick {
            choices: choices(),
            many: false,
            look: PickLook::Drop,
        }),
        field(FieldKind::Region),
        field(FieldKind::Toggle),
        field(FieldKind::Consent {
            text: t.into(),
            document: Link::new(t, t),
        }),
        field(FieldKind::File {
            accept: vec![t.into()],
            max_bytes: 9,
            many: true,
        }),
        Field::pick(t, t, choices()).readonly().initial(t),
    ];
    let form = fields.into_iter().fold(
        Form::new(t, Action::send(t, t)).drafts().group(t),
        Form::field,
    );
    let columns = data()
        .iter()
        .map(|_| Column::new(t, t, 0).sortable())
        .collect();
    let mut row = Row::new(t, data()).to(t);
    row.actions = action();
    let mut table = Table::new(columns)
        .rows([row])
        .filter(Field::pick("status", t, choices()))
        .search(t)
        .paging(1, 1, 9);
    table.totals = data();
    table.bulk = action();
    let card = |look| {
        let mut card = Card::new(t)
            .subtitle(t)
            .text(t)
            .icon(t, Tone::Info)
            .tag(t, Tone::Info)
            .to(t);
        card.facts = facts();
        card.actions = action();
        Cards::new(look, vec![card])
            .filter(Field::pick(t, t, choices()))
            .search(t)
            .empty(t)
    };
    let mut notice = Notice::new(Tone::Info, t, t);
    notice.actions = action();
    let axis = || Axis::new([t]).series(Series::new(t, [1.0]));
    let parts = || vec![Part::new(t, 1.0), Part::new(t, -1.0), Part::new(t, 2.0)];
    let charts = [
        Shape::Line(axis()),
        Shape::Bar(axis()),
        Shape::Rank { parts: parts() },
        Shape::Gauge(Gauge {
            amount: 1.0,
            min: 0.0,
            max: 2.0,
            label: t.into(),
            bands: vec![Band::new(1.0, t, Tone::Info)],
        }),
        Shape::Roc(Roc {
            curves: vec![Curve {
                name: t.into(),
                points: vec![[0.0, 1.0]],
            }],
        }),
        Shape::Radar(Radar {
            axes: parts(),
            series: vec![Series::new(t, [1.0, 1.0, 1.0])],
        }),
    ];
    let file = || FileRef {
        id: t.into(),
        name: t.into(),
        bytes: 1,
        of: None,
    };
    let blocks = [
        Block::prose(t, t),
        Block::prose(t, format!("## {t}\n\n- {t}\n- **{t}**\n\n[{t}]({t})")),
        Block::notice(t, notice),
        Block::stats(
            t,
            vec![
                Stat::new(t, Datum::text(t))
                    .icon(t, Tone::Info)
                    .change(t)
                    .to(t),
            ],
        ),
        Block::details(t, facts()),
        Block::table(t, table),
        Block::form(form),
        Block::timeline(
            t,
            vec![Moment::new(t, Mark::Current).who(t).note(t).file(file())],
        ),
        Block::files(t, vec![file()]),
        Block::actions(t, action()),
        Block::job(
            t,
            Job {
                name: t.into(),
                percent: 1,
                state: JobState::Running,
                note: t.into(),
                done: Some(Link::new(t, t)),
            },
        ),
    ];
    let cards = [
        CardLook::Tile,
        CardLook::Product,
        CardLook::News,
        CardLook::Menu,
    ]
    .map(|l| Block::cards(t, card(l)));
    let charts = charts.map(|s| Block::chart(t, Chart::new(s, t).unit(t)));
    let all = blocks
        .into_iter()
        .chain(cards)
        .chain(charts)
        .map(|b| b.title(t).help(t).more(t, t));
    let mut page = Page::new(t)
        .subtitle(t)
        .under(t, t)
        .status(t, Tone::Info)
        .section(Section::grid().title(t).blocks(all));
    page.actions = action();
    page
}

/// Reads the HTML tag by tag: only elements the renderer uses, no handler attribute, no address
/// that leaves the site.
pub(super) fn judge(html: &str) -> Result<(), String> {
    let mut rest = html;
    let mut scripts = 0;
    while let Some(start) = rest.find('<') {
        rest = rest.get(start + 1..).unwrap_or_default();
        let (name, attributes, after) = tag(rest)?;
        rest = after;
        if name == "script" {
            scripts += 1;
        }
        for bad in ["iframe", "object", "embed", "img", "base", "b", "style"] {
            if name == bad {
                return Err(format!("<{bad}>"));
            }
        }
        for (attribute, value) in attributes {
            if attribute.starts_with("on") || attribute == "style" || attribute == "srcdoc" {
                return Err(format!("{attribute}={value}"));
            }
            let address = matches!(
                attribute.as_str(),
                "href" | "src" | "action" | "hx-get" | "formaction"
            );
            if address && !(value.is_empty() || value.starts_with('#') || is_site_path(&value)) {
                return Err(format!("{attribute}={value}"));
            }
        }
    }
    if scripts == 1 {
        Ok(())
    } else {
        Err(format!("{scripts} scripts"))
    }
}

type Tag<'a> = (String, Vec<(String, String)>, &'a str);

/// A tag after its `<`: name, attributes with entities undone, and what follows.
fn tag(text: &str) -> Result<Tag<'_>, String> {
    let end = text
        .find(|c: char| c.is_whitespace() || c == '>')
        .ok_or("open tag")?;
    let name = text.get(..end).unwrap_or_default().to_ascii_lowercase();
    let mut rest = text.get(end..).unwrap_or_default().trim_start();
    let mut attributes = Vec::new();
    loop {
        if let Some(after) = rest.strip_prefix('>') {
            return Ok((name, attributes, after));
        }
        let end = rest
            .find(|c: char| c.is_whitespace() || matches!(c, '=' | '>'))
            .ok_or("open tag")?;
        let attribute = rest.get(..end).unwrap_or_default().to_ascii_lowercase();
        rest = rest.get(end..).unwrap_or_default();
        let mut value = String::new();
        if let Some(quoted) = rest.strip_prefix("=\"") {
            let (inside, after) = quoted.split_once('"').ok_or("open attribute")?;
            value = inside
                .replace("&lt;", "<")
                .replace("&gt;", ">")
                .replace("&quot;", "\"")
                .replace("&amp;", "&");
            rest = after;
        } else if rest.starts_with('=') {
            return Err(format!("unquoted {attribute}"));
        }
        attributes.push((attribute, value));
        rest = rest.trim_start();
    }
}
