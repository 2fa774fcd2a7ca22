//! One template: what its next version will say, how that differs from what is in force, and the
//! versions that were published.

use sdk::prelude::*;

use super::templates::{content, variables};
use super::{edition, may};
use crate::actions::recipients;
use crate::model::{Edition, Stage, Template};
use crate::permissions;
use crate::rules::difference::{Content, between};

pub(super) fn page(ctx: &Ctx, ask: &Ask) -> Result<Page, Fault> {
    let template = ctx.must::<Template>(ask.param("id"))?;
    let id = template.id.as_str();
    let banks = recipients(ctx)?;
    let find = Find::<Edition>::new()
        .filter(Edition::TEMPLATE.eq(template.id.clone()))
        .sort(Edition::VERSION.desc())
        .limit(sdk::contract::query::MAX_LIMIT);
    let editions = ctx.find(find)?.items;
    let now = of(&template);
    let mut page = Page::new(&template.name)
        .shell(Shell::Bench)
        .subtitle(format!(
            "{} · {} · 第 {} 版",
            template.code,
            template.category.label(),
            template.version
        ))
        .under("授权书模版", "/consent/templates")
        .status(template.stage.label(), template.stage.tone());
    if let Some(reason) = template.returned.as_ref() {
        let notice = Notice::new(Tone::Warning, "已退回：", reason);
        page = page.block(Block::notice("returned", notice));
    }
    let own = |user: &Option<String>| user.is_some() && *user == ctx.caller().user;
    page = match template.stage {
        Stage::Draft if may(ctx, permissions::DRAFT) => {
            let text = "提交后不能再改，由另一人核对后发布或退回。";
            let submit = Action::send("提交发布", "template.submit")
                .record(id)
                .primary()
                .confirm(Confirm::new("提交发布？", text, "提交"));
            page.action(submit)
        }
        Stage::Submitted if may(ctx, permissions::PUBLISH) => {
            let text = "发布后文本和摘要固定，新的授权书用这一版签署；已签署的不变。";
            let mut publish = Action::send("发布", "template.publish")
                .record(id)
                .primary()
                .confirm(Confirm::new("发布这一版？", text, "发布"));
            if own(&template.submitted_by) || own(&Some(template.edited_by.clone())) {
                publish = publish.off("起草或提交的人不能自己发布，请由另一人核对后发布");
            }
            let back = Action::send("退回", "template.return")
                .record(id)
                .confirm(Confirm::new("退回修改？", "", "退回").reason("退回原因"));
            page.action(publish).action(back)
        }
        Stage::Published if may(ctx, permissions::DRAFT) => {
            let next = template.version.saturating_add(1);
            let text = format!("建立第 {next} 版草稿；现行版本照常使用，直到新版发布。");
            let revise = Action::send("修订", "template.revise")
                .record(id)
                .confirm(Confirm::new("修订为新版？", text, "修订"));
            page.action(revise)
        }
        _ => page,
    };
    // What is published is compared with the version before it on that version's own page.
    let published = editions.first();
    if let Some(latest) = published.filter(|e| e.version < template.version) {
        let changes = between(edition::content(latest), now);
        let title = format!("与第 {} 版的差别", latest.version);
        page = page.block(edition::differences(&changes, &banks).title(title));
    }
    if template.stage == Stage::Draft && may(ctx, permissions::DRAFT) {
        let form = Form::new("edit", Action::send("保存", "template.edit").record(id));
        let form = content(ctx, form, Some(&template))?;
        page = page
            .block(Block::notice("variables", variables()))
            .block(Block::form(form).title("修改"));
    } else {
        page = page
            .block(edition::scope(now, &banks))
            .block(Block::prose("text", &template.text).title("文本"));
    }
    Ok(page
        .block(versions(&editions))
        .block(Block::signatures("signatures", Template::COLLECTION, id))
        .block(Block::history("history", Template::COLLECTION, id)))
}

fn of(template: &Template) -> Content<'_> {
    Content {
        name: &template.name,
        items: &template.items,
        purposes: &template.purposes,
        recipients: &template.recipients,
        text: &template.text,
    }
}

fn versions(editions: &[Stored<Edition>]) -> Block {
    let columns = vec![
        Column::new("version", "版次", 0),
        Column::new("state", "状态", 1),
        Column::new("published", "发布时间", 1),
        Column::new("by", "发布人", 2),
        Column::new("digest", "文本摘要（SM3）", 3),
    ];
    let rows = editions.iter().map(|e| {
        let (state, tone) = edition::state(e);
        let cells = vec![
            Datum::text(format!("第 {} 版", e.version)),
            Datum::status(state, tone),
            Datum::Time(e.published_at.micros()),
            Datum::text(&e.published_name),
            Datum::text(&e.text_digest),
        ];
        Row::new(e.id.as_str(), cells).to(format!("/consent/editions/{}", e.id))
    });
    let table = Table::new(columns).rows(rows).empty("还没有发布过");
    Block::table("versions", table).title("已发布的版本")
}
