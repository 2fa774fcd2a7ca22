//! What happens by itself: whoever a letter concerns is told that it ends soon.
//!
//! Each morning goes through the letters that end within the time people are told of. A letter's
//! notice has a key for each of the two marks, so it comes once each, whatever runs twice or was
//! missed. That a letter has ended its dates tell: as a state of its own it would be wrong from
//! midnight until the morning, and the check at each read goes by the dates anyway.

use sdk::prelude::*;

use crate::model::{Letter, Status};
use crate::rules::SOON;
use crate::{events, permissions};

/// Letters of one run; the rest are left to the next event.
const AT_ONCE: u32 = 40;

pub(crate) const ALL: &[Schedule] = &[Schedule {
    name: "letter.day-began",
    label: "提醒即将到期的授权书",
    en: "Remind of letters that end soon",
    when: When::Daily { hour: 8, minute: 0 },
    run: begin,
}];

pub(crate) const ON: &[Listener] = &[Listener {
    event: "consent.letter.reminders-continued",
    run: go_on,
}];

fn begin(ctx: &mut Ctx, _: &Event) -> Result<(), Fault> {
    remind(ctx, ctx.today(), "")
}

fn go_on(ctx: &mut Ctx, event: &Event) -> Result<(), Fault> {
    let text = |name: &str| event.data.get(name).and_then(Value::as_str);
    let day = text("day").and_then(|day| day.parse().ok());
    remind(
        ctx,
        day.unwrap_or_else(|| ctx.today()),
        text("after").unwrap_or_default(),
    )
}

/// Tells of some of the letters, as they stand on a day.
fn remind(ctx: &mut Ctx, day: Date, after: &str) -> Result<(), Fault> {
    let [soon, _] = SOON;
    let find = Find::<Letter>::new()
        .filter(Letter::STATUS.eq(Status::Effective))
        .filter(Letter::VALID_TO.between(day, day.plus_days(soon)))
        .sort(Letter::VALID_TO.asc())
        .apart()
        .after(after, AT_ONCE);
    let found = ctx.find(find)?;
    let usable = |letter: &&Stored<Letter>| letter.max_uses.is_none_or(|max| letter.uses < max);
    for letter in found.items.iter().filter(usable) {
        tell(ctx, letter, day);
    }
    if let Some(next) = found.next {
        let data = json!({ "day": day, "after": next });
        ctx.emit(events::REMINDERS_CONTINUED, "reminders", data);
    }
    Ok(())
}

/// Whoever may sign another letter, and those of the institution who may read this one.
fn tell(ctx: &mut Ctx, letter: &Stored<Letter>, day: Date) {
    let [soon, urgent] = SOON;
    let (mark, title, en) = if day.days_until(letter.valid_to) > urgent {
        (soon, "授权书即将到期", "A letter of consent ends soon")
    } else {
        (
            urgent,
            "授权书三天内到期",
            "A letter of consent ends within three days",
        )
    };
    let key = format!("ends-{mark}:{}", letter.id);
    let path = format!("/consent/letters/{}", letter.id);
    let (number, last) = (&letter.number, letter.valid_to);
    let (grantor, recipient) = (&letter.grantor_name, &letter.recipient_name);
    let to_grantor = permissions::SIGN
        .notice(letter.subject.clone().unwrap_or_default(), &key)
        .title(title, en)
        .text(
            format!("给{recipient}的授权书 {number} 将于 {last} 到期，此后对方不能再据此查询；需要时请重新签署"),
            format!("Letter {number} for {recipient} ends on {last}; sign another if it is still needed"),
        )
        .path(&path);
    let to_recipient = permissions::READ
        .notice(&letter.recipient, &key)
        .title(title, en)
        .text(
            format!("{grantor}的授权书 {number} 将于 {last} 到期，此后不能再据此查询"),
            format!(
                "Letter {number} of {grantor} ends on {last}; nothing is read under it afterwards"
            ),
        )
        .path(&path);
    ctx.notify(to_grantor);
    ctx.notify(to_recipient);
}
