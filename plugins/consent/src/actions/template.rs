//! A template is drafted, submitted, and published by somebody who neither wrote nor submitted it.

use sdk::prelude::*;

use super::recipients;
use crate::model::{Allowed, Category, Edition, Stage, Standing, Template, number};
use crate::rules::{self, Draft};
use crate::{events, permissions};

/// 新建授权书模版.
#[derive(Action, Debug)]
#[action(name = "template.create", permission = permissions::DRAFT)]
pub(crate) struct Create {
    /// 模版代码.
    #[field(max = 16)]
    pub(crate) code: String,
    /// 模版名称.
    #[field(max = 60)]
    pub(crate) name: String,
    /// 类别.
    pub(crate) category: Category,
    /// 可授权数据项.
    #[field(json)]
    pub(crate) items: Vec<String>,
    /// 可授权用途与最长期限.
    #[field(max = 9)]
    pub(crate) purposes: Vec<Allowed>,
    /// 可用机构. 空为市场上的全部金融机构。
    #[field(json)]
    pub(crate) recipients: Option<Vec<String>>,
    /// 文本.
    #[field(max = 3000)]
    pub(crate) text: String,
}

impl CollectionAction for Create {
    type Record = Template;

    fn run(self, ctx: &mut Ctx) -> Result<Done, Fault> {
        let template = Template {
            code: self.code,
            name: self.name,
            category: self.category,
            version: 1,
            items: self.items,
            purposes: self.purposes,
            recipients: self.recipients.unwrap_or_default(),
            text: self.text.trim_end().to_owned(),
            stage: Stage::Draft,
            edited_by: person(ctx)?,
            submitted_by: None,
            submitted_name: None,
            returned: None,
        };
        check(ctx, &template)?;
        let taken = ctx.find::<Template>(Template::CODE.eq(template.code.clone()))?;
        if !taken.is_empty() {
            let fault = FieldFault::new("code", "duplicate", "已有该代码的模版");
            return Err(Fault::invalid(vec![fault]));
        }
        let id = ctx.insert(New::of(template));
        Ok(Done::new()
            .result(json!({ "id": id.as_str() }))
            .go(path(&id), "已保存为草稿"))
    }
}

/// 修改授权书模版.
#[derive(Action, Debug)]
#[action(name = "template.edit", permission = permissions::DRAFT)]
pub(crate) struct Edit {
    /// 模版名称.
    #[field(max = 60)]
    pub(crate) name: String,
    /// 可授权数据项.
    #[field(json)]
    pub(crate) items: Vec<String>,
    /// 可授权用途与最长期限.
    #[field(max = 9)]
    pub(crate) purposes: Vec<Allowed>,
    /// 可用机构. 空为市场上的全部金融机构。
    #[field(json)]
    pub(crate) recipients: Option<Vec<String>>,
    /// 文本.
    #[field(max = 3000)]
    pub(crate) text: String,
}

impl RecordAction for Edit {
    type Record = Template;

    fn run(self, ctx: &mut Ctx, template: Stored<Template>) -> Result<Done, Fault> {
        let edited = Template {
            name: self.name,
            items: self.items,
            purposes: self.purposes,
            recipients: self.recipients.unwrap_or_default(),
            text: self.text.trim_end().to_owned(),
            ..template.record.clone()
        };
        check(ctx, &edited)?;
        let patch = Patch::new()
            .set(Template::NAME, edited.name)
            .set(Template::ITEMS, edited.items)
            .set(Template::RECIPIENTS, edited.recipients)
            .set(Template::PURPOSES, edited.purposes)
            .set(Template::TEXT, edited.text)
            .set(Template::EDITED_BY, person(ctx)?);
        ctx.update(&template, patch);
        Ok(Done::new().stay("已保存"))
    }
}

/// 提交发布.
#[derive(Action, Debug)]
#[action(name = "template.submit", permission = permissions::DRAFT)]
pub(crate) struct Submit {}

impl RecordAction for Submit {
    type Record = Template;

    fn run(self, ctx: &mut Ctx, template: Stored<Template>) -> Result<Done, Fault> {
        check(ctx, &template)?;
        let patch = Patch::new()
            .set(Template::STAGE, Stage::Submitted)
            .set(Template::SUBMITTED_BY, person(ctx)?)
            .set(Template::SUBMITTED_NAME, ctx.caller().name.clone())
            .clear(Template::RETURNED);
        ctx.update(&template, patch);
        Ok(Done::new().stay("已提交，由另一人核对后发布"))
    }
}

/// 发布. From now on letters are signed on this version; those of earlier ones keep theirs.
#[derive(Action, Debug)]
#[action(name = "template.publish", permission = permissions::PUBLISH, signed)]
pub(crate) struct Publish {}

impl RecordAction for Publish {
    type Record = Template;

    fn run(self, ctx: &mut Ctx, template: Stored<Template>) -> Result<Done, Fault> {
        let publisher = person(ctx)?;
        let own = template.edited_by == publisher
            || template.submitted_by.as_deref() == Some(publisher.as_str());
        if own {
            let why = "起草或提交的人不能自己发布，请由另一人核对后发布";
            return Err(Fault::refused("consent.same-person", why));
        }
        check(ctx, &template)?;
        let find = Find::<Edition>::new()
            .filter(Edition::TEMPLATE.eq(template.id.clone()))
            .filter(Edition::REPLACED_AT.missing())
            .limit(sdk::contract::query::MAX_LIMIT);
        for earlier in ctx.find(find)? {
            ctx.update(&earlier, Patch::new().set(Edition::REPLACED_AT, ctx.now()));
        }
        let Template {
            code,
            name,
            category,
            version,
            items,
            purposes,
            recipients,
            text,
            submitted_name,
            ..
        } = template.record.clone();
        let edition = ctx.insert(New::of(Edition {
            number: number(&code, version),
            template: template.id.clone(),
            text_digest: ctx.digest(text.as_bytes()),
            name,
            category,
            version,
            items,
            purposes,
            recipients,
            text,
            submitted_name: submitted_name.unwrap_or_default(),
            published_name: ctx.caller().name.clone(),
            published_at: ctx.now(),
            status: Standing::InForce,
            replaced_at: None,
            ended_at: None,
            reason: None,
        }));
        ctx.update(
            &template,
            Patch::new().set(Template::STAGE, Stage::Published),
        );
        let data = json!({ "template": template.id.as_str(), "version": version });
        ctx.emit(events::PUBLISHED, edition.as_str(), data);
        Ok(Done::new()
            .result(json!({ "edition": edition.as_str(), "version": version }))
            .stay(format!("第 {version} 版已发布")))
    }
}

/// 退回修改.
#[derive(Action, Debug)]
#[action(name = "template.return", permission = permissions::PUBLISH)]
pub(crate) struct Return {
    /// 退回原因.
    #[field(max = 200)]
    pub(crate) reason: String,
}

impl RecordAction for Return {
    type Record = Template;

    fn run(self, ctx: &mut Ctx, template: Stored<Template>) -> Result<Done, Fault> {
        let patch = Patch::new()
            .set(Template::STAGE, Stage::Draft)
            .set(Template::RETURNED, self.reason.clone());
        ctx.update(&template, patch);
        Ok(Done::new().note(self.reason).stay("已退回起草人"))
    }
}

/// 修订. Begins the next version; the published one stays what it is, and in force.
#[derive(Action, Debug)]
#[action(name = "template.revise", permission = permissions::DRAFT)]
pub(crate) struct Revise {}

impl RecordAction for Revise {
    type Record = Template;

    fn run(self, ctx: &mut Ctx, template: Stored<Template>) -> Result<Done, Fault> {
        let version = template.version.saturating_add(1);
        let patch = Patch::new()
            .set(Template::STAGE, Stage::Draft)
            .set(Template::VERSION, version)
            .set(Template::EDITED_BY, person(ctx)?)
            .clear(Template::SUBMITTED_BY)
            .clear(Template::SUBMITTED_NAME);
        ctx.update(&template, patch);
        Ok(Done::new()
            .result(json!({ "version": version }))
            .stay(format!("第 {version} 版草稿已建立，现行版本照常使用")))
    }
}

fn path(id: &Id<Template>) -> String {
    format!("/consent/templates/{id}")
}

/// Who drafts and who publishes are people, so that they can be told apart.
fn person(ctx: &Ctx) -> Result<String, Fault> {
    let user = ctx.caller().user.clone();
    user.ok_or_else(|| Fault::forbidden("授权书模版须由工作人员本人办理"))
}

fn check(ctx: &Ctx, template: &Template) -> Result<(), Fault> {
    rules::check_template(Draft {
        code: &template.code,
        items: &template.items,
        purposes: &template.purposes,
        recipients: &template.recipients,
        text: &template.text,
        institutions: &recipients(ctx)?,
    })
}
