//! What the registers' pages have alike: they are drawn from the declarations.

use sdk::choice::Choice as _;
use sdk::contract::def::{ChoiceDef, CollectionDef, FieldDef};
use sdk::contract::kind::Kind;
use sdk::prelude::*;

use crate::model::{
    Grade, Held, Importance, Lead, Progress, Risk, Situation, Stage, Standing, Verdict,
};
use crate::permissions;

const PAGE: u32 = 20;

fn choices() -> [ChoiceDef; 10] {
    [
        Situation::def(),
        Verdict::def(),
        Stage::def(),
        Standing::def(),
        Grade::def(),
        Progress::def(),
        Lead::def(),
        Importance::def(),
        Held::def(),
        Risk::def(),
    ]
}

/// Whether the caller keeps the registers rather than only reads them.
pub(super) fn keeps(ctx: &Ctx) -> bool {
    let roles = permissions::KEEP.grants.iter();
    roles
        .map(|(role, _)| role)
        .any(|role| ctx.caller().has_role(role))
}

/// The form of an action: of one on a record with its id and what is known of it.
pub(super) fn form<A: Input>(name: &str, label: &str, on: Option<(&str, &Map)>) -> Form {
    let send = Action::send(label, A::NAME);
    let (send, known) = match on {
        Some((id, known)) => (send.record(id), known.clone()),
        None => (send, Map::new()),
    };
    filled::<A>(name, send, &known)
}

/// The form of an action with what is known already. What refers to a record comes with the deed.
pub(super) fn filled<A: Input>(name: &str, send: Action, known: &Map) -> Form {
    let choices = choices();
    let fields = A::fields();
    let typed = fields
        .iter()
        .filter(|def| !matches!(def.kind, Kind::Ref { .. }));
    let fields = typed.filter_map(|def| {
        let field = Field::of(def, &choices)?;
        let known = known.get(&def.name);
        Some(match known {
            Some(value) => field.value(value),
            None => field,
        })
    });
    fields.fold(Form::new(name, send), Form::field)
}

/// What a register says of itself.
pub(super) struct Register {
    pub(super) title: &'static str,
    pub(super) about: &'static str,
    pub(super) of: &'static str,
    pub(super) empty: &'static str,
}

/// A register, newest first, and the form for a new entry where the caller keeps it.
pub(super) fn list<R: Record>(
    ctx: &Ctx,
    ask: &Ask,
    register: &Register,
    new: &str,
    form: Form,
) -> Result<Page, Fault> {
    let def = R::def();
    let number = ask.page_number();
    let mut find = Find::<R>::new().sort(R::CREATED_AT.desc());
    if let Some(words) = ask.query("q") {
        find = find.search(words);
    }
    let found = ctx.find::<R>(find.page(number, PAGE))?;
    let total = found.total;
    let listed = || def.fields.iter().filter(|f| f.list);
    let columns = listed()
        .enumerate()
        .map(|(at, f)| Column::new(&f.name, &f.label.zh, u8::from(at > 1)))
        .collect();
    let choices = choices();
    let rows = found.into_iter().map(|r| {
        let known = r.record.to_map();
        let value = |name: &str| known.get(name).cloned().unwrap_or_default();
        let cells = listed().map(|f| Datum::of(f, &choices, &value(&f.name)));
        Row::new(r.id.as_str(), cells.collect()).to(format!("/privacy/{}/{}", R::COLLECTION, r.id))
    });
    let table = Table::new(columns)
        .of(register.of)
        .rows(rows)
        .search("名称，可用拼音")
        .paging(number, PAGE, total)
        .empty(register.empty);
    let mut page = Page::new(register.title)
        .shell(Shell::Bench)
        .subtitle(register.about)
        .block(Block::table("entries", table));
    if keeps(ctx) {
        page = page.block(Block::form(form).title(new));
    }
    Ok(page)
}

/// An entry with everything that is declared of it.
pub(super) fn detail<R: Record>(record: &Stored<R>, title: &str, under: (&str, &str)) -> Page {
    let CollectionDef { fields, .. } = R::def();
    let (known, choices) = (record.record.to_map(), choices());
    let shown = |f: &&FieldDef| !matches!(f.kind, Kind::File { .. } | Kind::Ref { .. });
    let facts = fields.iter().filter(shown).filter_map(|f| {
        let value = known.get(&f.name).filter(|v| !v.is_null())?;
        Some(Fact::new(&f.label.zh, Datum::of(f, &choices, value)))
    });
    Page::new(title)
        .shell(Shell::Bench)
        .under(under.0, under.1)
        .block(Block::details("facts", facts.collect()))
}
