//! Typed values to words: money in 万元 with the exact figure at hand, ratios in percent, times in
//! Beijing time.

use maud::{Markup, html};
use sdk_contract::page::{Datum, FileRef, LookTakes, Masked, Status, Tone};
use sdk_contract::scalar::{Timestamp, print_scaled};

use crate::icon::icon;
use crate::qr;
use crate::url::{here, href};
use crate::view::ViewContext;

/// Files of one field that a look can choose from.
const MOST_FILES: u32 = 100;
const DASH: &str = "—";

/// A value in running text or a cell.
pub(crate) fn datum(ctx: &ViewContext, value: &Datum) -> Markup {
    match value {
        Datum::None => html! { span.muted { (DASH) } },
        Datum::Text(text) => html! { (text) },
        Datum::Integer(n) => html! { (grouped(&n.to_string())) },
        Datum::Decimal(text) => html! { (text) },
        Datum::Quantity { amount, unit } => {
            html! { span.figure { (counted(amount)) span.unit-word { (unit) } } }
        }
        Datum::Money(fen) => money(ctx, *fen),
        Datum::Ratio(text) => percent(text),
        Datum::Date(day) => html! { time datetime=(day) { (day) } },
        Datum::Time(micros) => time(*micros),
        Datum::Status(s) => status(s),
        Datum::Progress(p) => progress(*p, ctx.say("进度", "Progress")),
        Datum::Masked(m) => masked(ctx, m),
        Datum::Link(link) => html! { a href=(href(&link.to)) { (link.label) } },
        Datum::Tags(tags) => html! { span.tags { @for tag in tags { (status(tag)) } } },
        Datum::File(f) => file(ctx, f),
        Datum::Qr(text) => qr::code(ctx, text),
    }
}

/// Whether it stands at the right of a column.
pub(crate) fn is_figure(value: &Datum) -> bool {
    matches!(
        value,
        Datum::Integer(_)
            | Datum::Decimal(_)
            | Datum::Quantity { .. }
            | Datum::Money(_)
            | Datum::Ratio(_)
    )
}

pub(crate) fn tone_class(tone: Tone) -> &'static str {
    match tone {
        Tone::Neutral => "tone-neutral",
        Tone::Info => "tone-info",
        Tone::Success => "tone-success",
        Tone::Warning => "tone-warning",
        Tone::Danger => "tone-danger",
    }
}

pub(crate) fn status(status: &Status) -> Markup {
    html! { span class={ "badge tone " (tone_class(status.tone)) } { (status.label) } }
}

pub(crate) fn time(micros: i64) -> Markup {
    let at = Timestamp::from_micros(micros);
    html! { time datetime=(at) { (at.local_minute()) } }
}

pub(crate) fn file(ctx: &ViewContext, file: &FileRef) -> Markup {
    html! {
        @match file.path() {
            Some(to) => a.file href=(href(&to)) { (icon(ctx, "paperclip")) (file.name) },
            None => span.file { (icon(ctx, "paperclip")) (file.name) },
        }
    }
}

/// A ratio as `3.45 %`.
fn percent(fraction: &str) -> Markup {
    figure(&percent_text(fraction), "%")
}

/// Decimal text of a fraction to decimal text of its percent, without trailing zeros.
pub(crate) fn percent_text(fraction: &str) -> String {
    let (sign, digits) = fraction
        .strip_prefix('-')
        .map_or(("", fraction), |d| ("-", d));
    let (whole, rest) = digits.split_once('.').unwrap_or((digits, ""));
    let padded = format!("{rest:0<2}");
    let (hundredths, rest) = padded.split_at_checked(2).unwrap_or((&padded, ""));
    let whole = format!("{whole}{hundredths}");
    let whole = whole.trim_start_matches('0');
    let rest = rest.trim_end_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    match rest {
        "" => format!("{sign}{whole}"),
        rest => format!("{sign}{whole}.{rest}"),
    }
}

fn figure(amount: &str, unit: &str) -> Markup {
    html! { span.figure { (amount) small.unit { (unit) } } }
}

fn money(ctx: &ViewContext, fen: i64) -> Markup {
    let (amount, unit) = money_words(fen, ctx.english());
    let exact = print_scaled(fen, 2);
    html! {
        data.figure value=(exact) title={ (grouped(&exact)) " " (ctx.say("元", "CNY")) } {
            (amount) small.unit { (unit) }
        }
    }
}

/// 分 in the unit people use for it, rounded half up to at most two decimals.
pub(crate) fn money_words(fen: i64, english: bool) -> (String, &'static str) {
    const WAN: i64 = 1_000_000;
    const YI: i64 = 10_000 * WAN;
    const MILLION: i64 = 100_000_000;
    let size = fen.unsigned_abs();
    match (english, size) {
        (true, s) if s >= MILLION.unsigned_abs() => (rounded(fen, MILLION), "CNY m"),
        (true, _) => (grouped(&yuan(fen)), "CNY"),
        (false, s) if s >= YI.unsigned_abs() => (rounded(fen, YI), "亿元"),
        (false, s) if s >= WAN.unsigned_abs() => (rounded(fen, WAN), "万元"),
        (false, _) => (grouped(&yuan(fen)), "元"),
    }
}

/// Whole 元 bare, others with both digits.
fn yuan(fen: i64) -> String {
    let text = print_scaled(fen, 2);
    text.strip_suffix(".00").map_or(text.clone(), str::to_owned)
}

fn rounded(fen: i64, unit: i64) -> String {
    let hundredths =
        (i128::from(fen.unsigned_abs()) * 100 + i128::from(unit) / 2) / i128::from(unit);
    let text = print_scaled(i64::try_from(hundredths).unwrap_or(i64::MAX), 2);
    format!("{}{}", if fen < 0 { "-" } else { "" }, short(&text))
}

/// Without the zeros at the end of a fraction.
pub(crate) fn short(decimal: &str) -> String {
    if decimal.contains('.') {
        decimal
            .trim_end_matches('0')
            .trim_end_matches('.')
            .to_owned()
    } else {
        decimal.to_owned()
    }
}

/// A count as a module wrote it: grouped when it is a number.
fn counted(amount: &str) -> String {
    let number = |b: u8| b.is_ascii_digit() || matches!(b, b'.' | b'-');
    if amount.bytes().all(number) {
        grouped(amount)
    } else {
        amount.to_owned()
    }
}

/// With commas between thousands, from five digits on: years stay whole.
pub(crate) fn grouped(decimal: &str) -> String {
    let (sign, digits) = decimal
        .strip_prefix('-')
        .map_or(("", decimal), |d| ("-", d));
    let (whole, fraction) = digits
        .split_once('.')
        .map_or((digits, None), |(w, f)| (w, Some(f)));
    if whole.len() < 5 {
        return decimal.to_owned();
    }
    let mut text = sign.to_owned();
    for (i, digit) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    if let Some(fraction) = fraction {
        text.push('.');
        text.push_str(fraction);
    }
    text
}

pub(crate) fn progress(percent: u8, label: &str) -> Markup {
    html! { progress.bar max="100" value=(percent) aria-label=(label) { (percent) "%" } }
}

fn masked(ctx: &ViewContext, masked: &Masked) -> Markup {
    let Some(of) = &masked.of else {
        return html! { span.masked { (masked.shown) } };
    };
    let text = match masked.takes {
        LookTakes::Reason => ctx.say(
            "查看人、时间和理由将记入审计日志。",
            "Who looked, when and why is recorded.",
        ),
        LookTakes::Second => ctx.say(
            "最敏感的内容须由同机构另一人同意后查看。申请人、理由、复核和查看都将记入审计日志。",
            "A second person of your organisation has to agree. All of it is recorded.",
        ),
        LookTakes::Waiting(_) => ctx.say(
            "您已申请查看，正在等待同机构另一人复核。复核期限：",
            "You have asked; a second person has to agree before ",
        ),
        LookTakes::Agreed(_) => ctx.say(
            "另一人已同意，您可以查看一次。请在此之前查看：",
            "A second person has agreed. You may look once, before ",
        ),
    };
    let (until, asks, send) = match masked.takes {
        LookTakes::Reason => (None, true, Some(ctx.say("查看", "Show"))),
        LookTakes::Second => (None, true, Some(ctx.say("申请查看", "Ask"))),
        LookTakes::Waiting(until) => (Some(until), false, None),
        LookTakes::Agreed(until) => (Some(until), false, Some(ctx.say("查看", "Show"))),
    };
    html! {
        span.masked {
            (masked.shown)
            details.ask {
                summary.btn-look role="button" aria-label=(ctx.say("查看完整内容（将留痕）", "Show in full (recorded)")) {
                    (icon(ctx, "eye"))
                }
                div.ask-back {
                    form.ask-sheet method="post" action=(crate::LOOK_PATH) aria-label=(ctx.say("查看完整内容", "Show in full")) {
                        input type="hidden" name="_csrf" value=(ctx.csrf);
                        input type="hidden" name="collection" value=(of.collection);
                        input type="hidden" name="id" value=(of.id);
                        input type="hidden" name="field" value=(of.field);
                        input type="hidden" name="back" value=(here(ctx));
                        p.ask-title { (ctx.say("查看完整内容", "Show in full")) }
                        p { (text) @if let Some(until) = until { (time(until)) } }
                        @if let Some(count) = masked.files.filter(|count| *count > 1) {
                            label.form-label {
                                (ctx.say("查看哪一份文件", "Which file"))
                                select.form-select name="file" {
                                    @for number in 1..=count.min(MOST_FILES) { option value=(number) { (number) } }
                                }
                            }
                        }
                        @if asks {
                            label.form-label {
                                (ctx.say("查看理由", "Reason")) " " span.must aria-hidden="true" { "*" }
                                textarea.form-control name="reason" rows="2" maxlength="200" required {}
                            }
                        }
                        div.actions {
                            @if let Some(send) = send { button.btn.btn-primary type="submit" { (send) } }
                            button.btn.btn-outline type="button" data-cancel { (ctx.say("取消", "Cancel")) }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_said_in_the_unit_people_use() {
        for (fen, amount, unit) in [
            (0, "0", "元"),
            (123_450, "1234.50", "元"),
            (300_000_000, "300", "万元"),
            (1_000_000, "1", "万元"),
            (999_999, "9999.99", "元"),
            (123_456_789, "123.46", "万元"),
            (23_900_000_000, "2.39", "亿元"),
            (-300_000_000, "-300", "万元"),
            (i64::MAX, "922337203.69", "亿元"),
        ] {
            assert_eq!(money_words(fen, false), (amount.to_owned(), unit), "{fen}");
        }
        assert_eq!(money_words(300_000_000, true), ("3".to_owned(), "CNY m"));
    }

    #[test]
    fn fractions_are_said_in_percent_exactly() {
        for (fraction, percent) in [
            ("0.0345", "3.45"),
            ("0.3600", "36"),
            ("1", "100"),
            ("0", "0"),
            ("-0.15", "-15"),
            ("0.5", "50"),
            ("0.00005", "0.005"),
            ("12.3", "1230"),
        ] {
            assert_eq!(percent_text(fraction), percent);
        }
    }

    #[test]
    fn thousands_are_grouped_from_five_digits_on() {
        assert_eq!(grouped("2026"), "2026");
        assert_eq!(grouped("1862041"), "1,862,041");
        assert_eq!(grouped("-12345.60"), "-12,345.60");
        assert_eq!(counted("131378"), "131,378");
        assert_eq!(counted("约 131378"), "约 131378");
    }

    #[test]
    fn the_exact_sum_is_at_hand() {
        let html = datum(&ViewContext::default(), &Datum::Money(123_456_789)).into_string();
        assert!(
            html.contains(r#"value="1234567.89""#) && html.contains("1,234,567.89 元"),
            "{html}"
        );
    }
}
