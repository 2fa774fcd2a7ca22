//! One field of a form or filter: label, control, help, fault, and where a value comes from.

use std::collections::BTreeMap;

use maud::{Markup, html};
use sdk_contract::code::Format;
use sdk_contract::error::FieldFault;
use sdk_contract::page::{
    CONFIRM_FIELD, Choice, Field, FieldKind, Form, MoneyUnit, PickLook, confirms,
};
use sdk_contract::scalar::{Timestamp, parse_scaled, print_scaled};

use crate::blocks::grid;
use crate::blocks::plain::size;
use crate::datum::{percent_text, short};
use crate::url::href;
use crate::view::ViewContext;

type Typed<'a> = Option<&'a BTreeMap<String, Vec<String>>>;

/// Up to this many choices stand side by side.
const SIDE_BY_SIDE: usize = 5;

pub(crate) fn id(form: &str, field: &str) -> String {
    format!("f-{form}-{field}")
}

/// A control ready to be drawn.
struct Control<'a> {
    ctx: &'a ViewContext,
    field: &'a Field,
    id: String,
    values: Vec<String>,
    described: Option<String>,
    faulty: bool,
    /// The browser may insist; not where conditions or choices decide.
    required: bool,
}

pub(crate) fn field(ctx: &ViewContext, form: &Form, field: &Field, typed: Typed<'_>) -> Markup {
    if matches!(field.kind, FieldKind::Hidden) {
        // Its value never comes from the browser; a query form needs it in the URL.
        return html! {
            @if form.query {
                @for value in &field.initial { input type="hidden" name=(field.name) value=(value); }
            }
        };
    }
    let id = id(&form.name, &field.name);
    let fault = fault_at(ctx, typed, &field.name);
    let help = help_of(ctx, field);
    let help_id = (!help.is_empty()).then(|| format!("{id}-help"));
    let fault_id = fault.map(|_| format!("{id}-fault"));
    let described: Vec<String> = [help_id.clone(), fault_id.clone()]
        .into_iter()
        .flatten()
        .collect();
    let control = Control {
        ctx,
        field,
        values: values_of(field, typed),
        described: (!described.is_empty()).then(|| described.join(" ")),
        faulty: fault.is_some(),
        required: field.required && field.when.is_empty(),
        id,
    };
    let when =
        (!field.when.is_empty()).then(|| serde_json::to_string(&field.when).unwrap_or_default());
    html! {
        div.field.wide[field.wide] data-when=[when.as_deref()] {
            @if let FieldKind::Rows { fields, max } = &field.kind {
                (grid::grid(ctx, &control.id, field, (fields, *max), typed))
            } @else {
                (control.draw())
            }
            @if let Some(help_id) = &help_id {
                p.field-help id=(help_id) { @for line in &help { span { (line) } } }
            }
            @if let (Some(fault), Some(fault_id)) = (fault, &fault_id) {
                p.fault id=(fault_id) { (fault.message) }
            }
            (doubt(ctx, &control.id, (&field.name, control.value()), fault, typed))
        }
    }
}

/// One cell of a grid: a control without a visible label, its fault under it.
pub(crate) fn cell(
    ctx: &ViewContext,
    id: String,
    field: &Field,
    values: Vec<String>,
    typed: Typed<'_>,
) -> Markup {
    let fault = fault_at(ctx, typed, &field.name);
    let fault_id = fault.map(|_| format!("{id}-fault"));
    let control = Control {
        ctx,
        field,
        id,
        values,
        described: fault_id.clone(),
        faulty: fault.is_some(),
        // A row that is left empty is no row.
        required: false,
    };
    html! {
        (control.draw())
        @if let (Some(fault), Some(fault_id)) = (fault, &fault_id) {
            p.fault id=(fault_id) { (fault.message) }
        }
        (doubt(ctx, &control.id, (&field.name, control.value()), fault, typed))
    }
}

fn fault_at<'c>(ctx: &'c ViewContext, typed: Typed<'_>, name: &str) -> Option<&'c FieldFault> {
    typed.and_then(|_| ctx.faults.iter().find(|f| f.field == name))
}

/// The box that confirms a doubt about what was typed; ticked where it was confirmed before.
fn doubt(
    ctx: &ViewContext,
    id: &str,
    (name, text): (&str, &str),
    fault: Option<&FieldFault>,
    typed: Typed<'_>,
) -> Markup {
    let value = confirms(name, text);
    let before = typed.and_then(|t| t.get(CONFIRM_FIELD));
    let ticked = before.is_some_and(|all| all.contains(&value));
    html! {
        @if ticked || fault.is_some_and(|f| f.confirm) {
            @let id = format!("{id}-confirm");
            div.form-check {
                input.form-check-input type="checkbox" id=(id) name=(CONFIRM_FIELD) value=(value) checked[ticked];
                label.form-check-label for=(id) {
                    (ctx.say("已核对，确认无误", "I have checked it, it is right"))
                }
            }
        }
    }
}

/// A filter above a list: its value is the URL's.
pub(crate) fn filter(ctx: &ViewContext, list: &str, field: &Field) -> Markup {
    let control = Control {
        ctx,
        field,
        id: format!("{list}-{}", field.name),
        values: ctx.query.get(&field.name).cloned().unwrap_or_default(),
        described: None,
        faulty: false,
        required: false,
    };
    html! {
        div.field {
            @match &field.kind {
                FieldKind::Pick { choices, .. } => {
                    (control.label())
                    (control.select(choices, ctx.say("全部", "All")))
                }
                FieldKind::Region => {
                    (control.label())
                    (control.select(&ctx.regions, ctx.say("全部", "All")))
                }
                _ => (control.draw()),
            }
        }
    }
}

fn help_of(ctx: &ViewContext, field: &Field) -> Vec<String> {
    let mut lines = Vec::new();
    lines.extend(field.help.clone());
    if let FieldKind::File {
        max_bytes, accept, ..
    } = &field.kind
    {
        let kinds = if accept.is_empty() {
            String::new()
        } else {
            format!("{}；", accept.join("、"))
        };
        lines.push(if ctx.english() {
            format!("{} at most {}", accept.join(", "), size(*max_bytes))
        } else {
            format!("{kinds}单个不超过 {}", size(*max_bytes))
        });
    }
    if let Some(source) = &field.source {
        lines.push(format!(
            "{}{source}",
            ctx.say("已预填，来源：", "Prefilled from ")
        ));
    }
    lines
}

/// What to show: what was typed, else the initial value in the unit people type in.
fn values_of(field: &Field, typed: Typed<'_>) -> Vec<String> {
    match typed {
        Some(typed) if !field.readonly => typed.get(&field.name).cloned().unwrap_or_default(),
        _ => field
            .initial
            .iter()
            .map(|v| typeable(&field.kind, v))
            .collect(),
    }
}

/// A canonical value as a person would type it.
pub(crate) fn typeable(kind: &FieldKind, canonical: &str) -> String {
    match kind {
        FieldKind::Money { unit, .. } => {
            let scale = if *unit == MoneyUnit::Wan { 6 } else { 2 };
            parse_scaled(canonical, 2).map_or_else(
                || canonical.to_owned(),
                |fen| short(&print_scaled(fen, scale)),
            )
        }
        FieldKind::Ratio { .. } => percent_text(canonical),
        FieldKind::Time => canonical
            .parse()
            .map_or_else(|_| canonical.to_owned(), |t: Timestamp| t.local_input()),
        _ => canonical.to_owned(),
    }
}

impl Control<'_> {
    fn draw(&self) -> Markup {
        match &self.field.kind {
            FieldKind::Text {
                max, lines, format, ..
            } => html! {
                (self.label()) (self.text(*max, *lines, *format))
            },
            FieldKind::Secret { max } => html! {
                (self.label())
                input.form-control.is-invalid[self.faulty] type="password" id=(self.id)
                    data-secret=(self.field.name) maxlength=(max) autocomplete="off"
                    required[self.required] aria-invalid=[self.invalid()]
                    aria-describedby=[self.described.as_deref()];
            },
            FieldKind::Number { scale, unit, .. } => html! {
                (self.label()) (self.figure(if *scale == 0 { "numeric" } else { "decimal" }, unit))
            },
            FieldKind::Money { unit, .. } => html! {
                (self.label())
                (self.figure("decimal", match unit {
                    MoneyUnit::Yuan => self.ctx.say("元", "CNY"),
                    MoneyUnit::Wan => self.ctx.say("万元", "10k CNY"),
                }))
            },
            FieldKind::Ratio { .. } => html! { (self.label()) (self.figure("decimal", "%")) },
            FieldKind::Date { min, max } => html! {
                (self.label())
                input.form-control.is-invalid[self.faulty] type="date" id=(self.id) name=(self.field.name)
                    value=(self.value()) min=[min.as_deref()] max=[max.as_deref()]
                    readonly[self.field.readonly] required[self.required]
                    aria-invalid=[self.invalid()] aria-describedby=[self.described.as_deref()];
            },
            FieldKind::Month => html! { (self.label()) (self.picker("month")) },
            FieldKind::Time => html! { (self.label()) (self.picker("datetime-local")) },
            FieldKind::Pick {
                choices,
                many,
                look,
            } => self.pick(choices, *many, *look),
            FieldKind::Region if self.ctx.regions.is_empty() => html! {
                (self.label()) (self.text(6, 1, None))
            },
            FieldKind::Region => html! {
                (self.label()) (self.select(&self.ctx.regions, self.ctx.say("请选择", "Choose")))
            },
            FieldKind::Toggle => self.tick(&html! { (self.field.label) }),
            FieldKind::Consent { text, document } => self.tick(&html! {
                (text) " " a href=(href(&document.to)) { (document.label) }
            }),
            FieldKind::File {
                accept,
                many,
                max_bytes,
            } => {
                let most = size(*max_bytes);
                let too_large = if self.ctx.english() {
                    format!("A file may have at most {most}")
                } else {
                    format!("文件不得大于 {most}")
                };
                let accept = accept
                    .iter()
                    .map(|a| format!(".{a}"))
                    .collect::<Vec<_>>()
                    .join(",");
                html! {
                    (self.label())
                    input.form-control.is-invalid[self.faulty] type="file" id=(self.id) name=(self.field.name)
                        accept=[Some(accept).filter(|a| !a.is_empty())] multiple[*many]
                        data-most=(max_bytes) data-too-large=(too_large)
                        required[self.required] aria-invalid=[self.invalid()]
                        aria-describedby=[self.described.as_deref()];
                }
            }
            // A grid is drawn around its cells.
            FieldKind::Hidden | FieldKind::Rows { .. } => html! {},
        }
    }

    fn picker(&self, kind: &str) -> Markup {
        html! {
            input.form-control.is-invalid[self.faulty] type=(kind) id=(self.id) name=(self.field.name)
                value=(self.value()) readonly[self.field.readonly] required[self.required]
                aria-invalid=[self.invalid()] aria-describedby=[self.described.as_deref()];
        }
    }

    fn value(&self) -> &str {
        self.values.first().map_or("", String::as_str)
    }

    fn invalid(&self) -> Option<&'static str> {
        self.faulty.then_some("true")
    }

    fn star(&self) -> Markup {
        html! { @if self.field.required { " " span.must aria-hidden="true" { "*" } } }
    }

    fn label(&self) -> Markup {
        html! { label.form-label for=(self.id) { (self.field.label) (self.star()) } }
    }

    fn text(&self, max: u32, lines: u8, format: Option<Format>) -> Markup {
        let mode = match format {
            Some(Format::Phone) => Some("tel"),
            Some(Format::Region) => Some("numeric"),
            _ => None,
        };
        html! {
            @if lines > 1 {
                textarea.form-control.is-invalid[self.faulty] id=(self.id) name=(self.field.name) rows=(lines)
                    maxlength=(max) placeholder=(self.field.hint) readonly[self.field.readonly]
                    required[self.required] aria-invalid=[self.invalid()]
                    aria-describedby=[self.described.as_deref()] { (self.value()) }
            } @else {
                input.form-control.is-invalid[self.faulty] type="text" id=(self.id) name=(self.field.name)
                    value=(self.value()) maxlength=(max) placeholder=(self.field.hint) inputmode=[mode]
                    readonly[self.field.readonly] required[self.required] aria-invalid=[self.invalid()]
                    aria-describedby=[self.described.as_deref()];
            }
        }
    }

    fn figure(&self, mode: &str, unit: &str) -> Markup {
        html! {
            div.input-group {
                input.form-control.is-invalid[self.faulty] type="text" id=(self.id) name=(self.field.name)
                    value=(self.value()) inputmode=(mode) maxlength="24" autocomplete="off"
                    placeholder=(self.field.hint) readonly[self.field.readonly] required[self.required]
                    aria-invalid=[self.invalid()] aria-describedby=[self.described.as_deref()];
                @if !unit.is_empty() { span.input-group-text { (unit) } }
            }
        }
    }

    fn pick(&self, choices: &[Choice], many: bool, look: PickLook) -> Markup {
        let drop = match look {
            PickLook::Auto => choices.len() > SIDE_BY_SIDE,
            PickLook::Radio => false,
            PickLook::Drop => true,
        };
        if self.field.readonly {
            let words: Vec<&str> = choices
                .iter()
                .filter(|c| self.values.contains(&c.value))
                .map(|c| c.label.as_str())
                .collect();
            return html! {
                (self.label())
                input.form-control type="text" id=(self.id) value=(words.join("、")) readonly
                    aria-describedby=[self.described.as_deref()];
            };
        }
        if drop && !many {
            return html! {
                (self.label()) (self.select(choices, self.ctx.say("请选择", "Choose")))
            };
        }
        html! {
            fieldset.picks id=(self.id) tabindex="-1" aria-describedby=[self.described.as_deref()]
                aria-invalid=[self.invalid().filter(|_| !many)] role=[(!many).then_some("radiogroup")] {
                legend.form-label { (self.field.label) (self.star()) }
                div.pick-row {
                    @for (i, choice) in choices.iter().enumerate() {
                        @let one = format!("{}-{i}", self.id);
                        span.pick {
                            input.pick-input type=(if many { "checkbox" } else { "radio" }) id=(one)
                                name=(self.field.name) value=(choice.value)
                                checked[self.values.contains(&choice.value)] required[self.required && !many];
                            label.pick-label for=(one) { (choice.label) }
                        }
                    }
                }
            }
        }
    }

    /// A drop-down; `none` is the first, empty choice.
    fn select(&self, choices: &[Choice], none: &str) -> Markup {
        html! {
            select.form-select.is-invalid[self.faulty] id=(self.id) name=(self.field.name)
                required[self.required] aria-invalid=[self.invalid()]
                aria-describedby=[self.described.as_deref()] {
                option value="" { (none) }
                @for choice in choices {
                    option value=(choice.value) selected[self.values.contains(&choice.value)] {
                        (choice.label)
                        @if let Some(count) = choice.count { " (" (count) ")" }
                    }
                }
            }
        }
    }

    fn tick(&self, words: &Markup) -> Markup {
        let on = self
            .values
            .iter()
            .any(|v| matches!(v.as_str(), "true" | "on" | "1"));
        html! {
            div.form-check {
                input.form-check-input.is-invalid[self.faulty] type="checkbox" id=(self.id)
                    name=(self.field.name) value="true" checked[on] disabled[self.field.readonly]
                    required[self.required && matches!(self.field.kind, FieldKind::Consent { .. })]
                    aria-invalid=[self.invalid()] aria-describedby=[self.described.as_deref()];
                label.form-check-label for=(self.id) { (words) (self.star()) }
            }
        }
    }
}
