//! Rows and columns; on a phone each row is a card.

use maud::{Markup, html};
use sdk_contract::page::{Column, Datum, Deed, ROW_FIELD, Row, Table};

use crate::blocks::actions::{self, Size};
use crate::blocks::{filter, plain};
use crate::datum::{datum, is_figure};
use crate::url::{here, href};
use crate::view::ViewContext;

pub(crate) fn table(ctx: &ViewContext, id: &str, table: &Table) -> Markup {
    let bulk_form = format!("{id}-bulk");
    let with_actions = table.rows.iter().any(|r| !r.actions.is_empty());
    html! {
        (filter::bar(ctx, id, &table.filters, table.search.as_deref()))
        @if table.rows.is_empty() {
            (plain::nothing(ctx, &table.empty))
        } @else {
            @if !table.bulk.is_empty() { (bulk(ctx, &bulk_form, table)) }
            div.table-box tabindex="0" role="region" aria-label=(ctx.say("表格，可横向滚动", "Table, scrolls sideways")) {
                table.table.rows {
                    thead {
                        tr {
                            @if !table.bulk.is_empty() {
                                th.tick scope="col" {
                                    input.form-check-input type="checkbox" data-tick-all hidden
                                        aria-label=(ctx.say("全选", "All rows"));
                                }
                            }
                            @for (i, column) in table.columns.iter().enumerate() {
                                (head(ctx, column, table.rows.first().and_then(|r| r.cells.get(i))))
                            }
                            @if with_actions { th.deeds scope="col" { (ctx.say("操作", "Actions")) } }
                        }
                    }
                    tbody {
                        @for row in &table.rows {
                            tr {
                                @if !table.bulk.is_empty() {
                                    td.tick {
                                        input.form-check-input type="checkbox" name=(ROW_FIELD) value=(row.key)
                                            form=(bulk_form) aria-label={ (ctx.say("选择 ", "Select ")) (row.key) };
                                    }
                                }
                                @for (column, cell) in table.columns.iter().zip(&row.cells) {
                                    (self::cell(ctx, column, row, cell))
                                }
                                @if with_actions {
                                    td.deeds {
                                        div.actions { @for a in &row.actions { (actions::button(ctx, a, Size::Small)) } }
                                    }
                                }
                            }
                        }
                    }
                    @if !table.totals.is_empty() { (totals(ctx, table, with_actions)) }
                }
            }
        }
        @if let Some(paging) = table.paging { (filter::pager(ctx, paging)) }
    }
}

/// The ticked rows belong to one form; every button brings its own action.
fn bulk(ctx: &ViewContext, form: &str, table: &Table) -> Markup {
    html! {
        form id=(form) method="post" action=(here(ctx)) { (actions::guard(ctx)) }
        div.bulk {
            @for action in &table.bulk {
                @match &action.deed {
                    Deed::Send(send) => (actions::bulk(ctx, action, send, form)),
                    _ => (actions::button(ctx, action, Size::Normal)),
                }
            }
        }
    }
}

fn rank_class(rank: u8) -> &'static str {
    match rank {
        0 => "rank-0",
        1 | 2 => "rank-1",
        _ => "rank-3",
    }
}

fn head(ctx: &ViewContext, column: &Column, sample: Option<&Datum>) -> Markup {
    let figure = sample.is_some_and(is_figure);
    html! {
        th.num[figure] scope="col" aria-sort=[filter::sort_state(ctx, &column.key).filter(|_| column.sortable)] {
            @if column.sortable { (filter::sort_head(ctx, &column.key, &column.label)) }
            @else { (column.label) }
        }
    }
}

fn cell(ctx: &ViewContext, column: &Column, row: &Row, value: &Datum) -> Markup {
    let kind = if is_figure(value) { " num" } else { "" };
    let class = format!("{}{kind}", rank_class(column.rank));
    html! {
        td class=(class) data-label=(column.label) {
            @match &row.to {
                Some(to) if column.rank == 0 && !interactive(value) => a.row-link href=(href(to)) { (datum(ctx, value)) },
                _ => (datum(ctx, value)),
            }
        }
    }
}

fn totals(ctx: &ViewContext, table: &Table, with_actions: bool) -> Markup {
    html! {
        tfoot {
            tr {
                @if !table.bulk.is_empty() { td {} }
                @for (column, value) in table.columns.iter().zip(&table.totals) {
                    td.num[is_figure(value)] data-label=(column.label) {
                        @if *value != Datum::None { (datum(ctx, value)) }
                    }
                }
                @if with_actions { td {} }
            }
        }
    }
}

/// What is pressable itself cannot stand inside a link.
fn interactive(value: &Datum) -> bool {
    matches!(value, Datum::Link(_) | Datum::File(_) | Datum::Masked(_))
}
