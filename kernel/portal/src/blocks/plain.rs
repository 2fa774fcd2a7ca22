//! Blocks that are little more than their words: notice, details, files, job.

use maud::{Markup, html};
use sdk_contract::page::{Datum, Fact, FileRef, Job, JobState, Notice, Tone};

use crate::blocks::actions;
use crate::datum::{self, datum, tone_class};
use crate::icon::icon;
use crate::url::{here, href};
use crate::view::ViewContext;

/// A notice says its block's title itself, in place of its own lead.
pub(crate) fn notice(ctx: &ViewContext, notice: &Notice, title: Option<&str>) -> Markup {
    let lead = title.unwrap_or(&notice.lead);
    let name = match notice.tone {
        Tone::Neutral | Tone::Info => "info-circle",
        Tone::Success => "circle-check",
        Tone::Warning => "alert-triangle",
        Tone::Danger => "alert-circle",
    };
    let urgent = matches!(notice.tone, Tone::Warning | Tone::Danger);
    html! {
        div class={ "notice " (tone_class(notice.tone)) } role=(if urgent { "alert" } else { "note" }) {
            (icon(ctx, name))
            p.notice-text {
                @if !lead.is_empty() { strong { (lead) } " " }
                (notice.text)
            }
            (actions::bar(ctx, &notice.actions))
        }
    }
}

pub(crate) fn details(ctx: &ViewContext, facts: &[Fact], across: u8) -> Markup {
    let class = match across {
        1 => "facts facts-1",
        3 => "facts facts-3",
        _ => "facts facts-2",
    };
    html! {
        dl class=(class) {
            @for fact in facts {
                @let long = matches!(&fact.value, Datum::Text(t) if t.chars().count() > 40);
                div.fact.fact-long[long] {
                    dt { (fact.label) }
                    dd {
                        (datum(ctx, &fact.value))
                        @if let Some(help) = &fact.help { small.fact-help { (help) } }
                    }
                }
            }
        }
    }
}

pub(crate) fn files(ctx: &ViewContext, files: &[FileRef], empty: &str) -> Markup {
    html! {
        @if files.is_empty() {
            (nothing(ctx, empty))
        } @else {
            ul.files {
                @for f in files {
                    li { (datum::file(ctx, f)) span.muted { (size(f.bytes)) } }
                }
            }
        }
    }
}

/// An empty list, and what to do about it.
pub(crate) fn nothing(ctx: &ViewContext, empty: &str) -> Markup {
    html! {
        div.nothing {
            (icon(ctx, "inbox"))
            p { @if empty.is_empty() { (ctx.say("暂无内容", "Nothing here yet")) } @else { (empty) } }
        }
    }
}

/// Bytes in KB or MB of 1024, one decimal below ten.
pub fn size(bytes: u64) -> String {
    let (unit, name) = match bytes {
        0..1024 => return format!("{bytes} B"),
        1024..1_048_576 => (1024, "KB"),
        _ => (1_048_576, "MB"),
    };
    let tenths = (u128::from(bytes) * 10 + unit / 2) / unit;
    match tenths {
        0..100 if !tenths.is_multiple_of(10) => format!("{}.{} {name}", tenths / 10, tenths % 10),
        _ => format!("{} {name}", (tenths + 5) / 10),
    }
}

pub(crate) fn job(ctx: &ViewContext, job: &Job) -> Markup {
    let (word, tone) = match job.state {
        JobState::Running => (ctx.say("进行中", "Running"), Tone::Info),
        JobState::Done => (ctx.say("已完成", "Done"), Tone::Success),
        JobState::Failed => (ctx.say("未成功", "Failed"), Tone::Danger),
    };
    html! {
        div.job role="status" {
            p.job-head {
                strong { (job.name) } " "
                span class={ "badge tone " (tone_class(tone)) } { (word) }
                span.job-percent { (job.percent) " %" }
            }
            (datum::progress(job.percent, &job.name))
            @if !job.note.is_empty() { p.muted { (job.note) } }
            @if let Some(done) = &job.done {
                p { a.btn.btn-primary href=(href(&done.to)) { (done.label) } }
            }
        }
        @if job.state == JobState::Running {
            noscript { p { a href=(here(ctx)) { (ctx.say("刷新进度", "Refresh")) } } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_read_well() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1536, "1.5 KB"),
            (482_304, "471 KB"),
            (10_485_760, "10 MB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }
}
