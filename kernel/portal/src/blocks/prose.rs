//! Prose: paragraphs, `## ` headings, `- ` lists, `**bold**` and `[text](/path)`. Everything else
//! is text.

use maud::{Markup, html};

use crate::url::href;

pub(crate) fn prose(text: &str) -> Markup {
    let text = text.replace("\r\n", "\n");
    html! {
        div.prose {
            @for part in text.split("\n\n").map(str::trim).filter(|p| !p.is_empty()) {
                (paragraph(part))
            }
        }
    }
}

fn paragraph(part: &str) -> Markup {
    if let Some(rest) = part.strip_prefix("## ") {
        let (heading, rest) = rest.split_once('\n').unwrap_or((rest, ""));
        return html! { h3 { (inline(heading)) } @if !rest.is_empty() { (paragraph(rest)) } };
    }
    if part.lines().all(|l| l.starts_with("- ")) {
        return html! {
            ul { @for line in part.lines() { li { (inline(line.trim_start_matches("- "))) } } }
        };
    }
    html! {
        p {
            @for (i, line) in part.lines().enumerate() { @if i > 0 { br; } (inline(line)) }
        }
    }
}

fn inline(text: &str) -> Markup {
    if let Some((before, bold, after)) = between(text, "**", "**") {
        return html! { (inline(before)) strong { (bold) } (inline(after)) };
    }
    if let Some((before, rest)) = text.split_once('[')
        && let Some((label, rest)) = rest.split_once("](")
        && let Some((to, after)) = rest.split_once(')')
    {
        return html! { (before) a href=(href(to)) { (label) } (inline(after)) };
    }
    html! { (text) }
}

fn between<'a>(text: &'a str, open: &str, close: &str) -> Option<(&'a str, &'a str, &'a str)> {
    let (before, rest) = text.split_once(open)?;
    let (inside, after) = rest.split_once(close)?;
    (!inside.is_empty()).then_some((before, inside, after))
}

#[cfg(test)]
mod tests {
    use super::prose;

    #[test]
    fn the_small_language_is_drawn() {
        let html = prose("## 标题\n\n一 **重** [去](/x)\n二\n\n- 甲\n- 乙").into_string();
        assert_eq!(
            html,
            "<div class=\"prose\"><h3>标题</h3><p>一 <strong>重</strong> <a href=\"/x\">去</a><br>二</p>\
             <ul><li>甲</li><li>乙</li></ul></div>"
        );
    }

    #[test]
    fn everything_else_is_text() {
        let html = prose("<script>x</script> [a](javascript:x) **").into_string();
        assert!(
            html.contains("&lt;script&gt;") && html.contains("href=\"#\""),
            "{html}"
        );
    }
}
