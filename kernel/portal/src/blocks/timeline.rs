//! What happened, what happens now, what is still to come.

use maud::{Markup, html};
use sdk_contract::page::{Mark, Moment, Timeline, Tone};

use crate::datum::{self, time, tone_class};
use crate::view::ViewContext;

pub(crate) fn timeline(ctx: &ViewContext, timeline: &Timeline) -> Markup {
    html! {
        ol.timeline.across[timeline.across] {
            @for m in &timeline.moments { (moment(ctx, m)) }
        }
    }
}

fn moment(ctx: &ViewContext, moment: &Moment) -> Markup {
    let (class, badge) = match moment.mark {
        Mark::Done => ("moment done", None),
        Mark::Current => (
            "moment current",
            Some((ctx.say("进行中", "Now"), Tone::Info)),
        ),
        Mark::Waiting => ("moment waiting", None),
        Mark::Failed => (
            "moment failed",
            Some((ctx.say("未通过", "Refused"), Tone::Danger)),
        ),
        Mark::Skipped => (
            "moment skipped",
            Some((ctx.say("已跳过", "Skipped"), Tone::Neutral)),
        ),
    };
    html! {
        li class=(class) aria-current=[(moment.mark == Mark::Current).then_some("step")] {
            p.moment-title {
                (moment.title)
                @if moment.mark == Mark::Done { span.sr-only { (ctx.say("（已完成）", " (done)")) } }
                @if let Some((word, tone)) = badge {
                    " " span class={ "badge tone " (tone_class(tone)) } { (word) }
                }
            }
            @if moment.at.is_some() || moment.who.is_some() {
                p.moment-when {
                    @if let Some(at) = moment.at { (time(at)) }
                    @if let Some(who) = &moment.who { " " (who) }
                }
            }
            @if let Some(note) = &moment.note { p.moment-note { (note) } }
            @for f in &moment.files { p { (datum::file(ctx, f)) } }
            @if let Some(due) = moment.due.filter(|_| moment.mark != Mark::Done) {
                @let late = due < ctx.now;
                p.moment-due {
                    (if late { ctx.say("已过承诺时限 ", "Past the promised time ") } else { ctx.say("截止 ", "Due ") })
                    (time(due))
                }
            }
        }
    }
}
