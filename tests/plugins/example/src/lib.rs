//! A plugin with one of everything that the kernel enforces, for the conformance set of the test
//! kit (`sdk/testkit/tests/conformance.rs`). Not shipped.

use sdk::prelude::*;

pub mod permissions {
    sdk::permissions! {
        /// 查看贷款.
        READ = "loan.read": {
            "enterprise.owner": own, "bank.officer": organisation, "government.official": district,
            "platform.operator": all, "model.developer": assigned,
        };
        /// 查看授权与纳税.
        EVIDENCE = "letter.read": {
            "enterprise.owner": own, "bank.officer": organisation, "government.official": district,
            "platform.operator": all,
        };
        /// 申请贷款.
        REQUEST = "loan.request": { "enterprise.owner": own };
        /// 审批贷款.
        DECIDE = "loan.decide": { "bank.officer": organisation, "model.developer": assigned };
        /// 分派.
        ASSIGN = "loan.assign": { "bank.officer": organisation };
        /// 查看联系方式.
        CONTACT = "loan.contact": { "enterprise.owner": own, "model.developer": assigned };
        /// 说明理由后查看.
        LOOK = "loan.look": { "bank.officer": organisation };
        /// 浏览.
        BROWSE = "page.browse": { "anyone": all };
        /// 签署授权.
        SIGN = "letter.sign": { "enterprise.owner": own };
        /// 查看通知.
        NOTICE = "notice.read": { "signed-in": all };
    }
}

/// 贷款. A request for money.
#[derive(Collection, Clone, Debug, PartialEq)]
#[collection(plural = "loans", title = number, shard = subject, audited, read = permissions::READ,
             retention(purpose = "受理贷款"), assignee = officer, index(organisation, status), index(officer),
             unique(number, amount))]
pub struct Loan {
    /// 编号.
    #[field(max = 20, frozen, list, search)]
    pub number: String,
    /// 金额.
    #[field(min = 1, max = 1000)]
    pub amount: Money,
    /// 利率.
    #[field(min = 0, max = 0.24)]
    pub rate: Option<Decimal<4>>,
    /// 电话.
    #[field(format = "phone", encrypted, level = "L3", mask = "phone", reveal = permissions::CONTACT)]
    pub phone: Option<String>,
    /// 前一笔.
    pub previous: Option<Id<Loan>>,
    /// 税号.
    #[field(unique)]
    pub tax_number: Option<String>,
    pub status: Status,
    /// 经办人.
    #[field(to = "platform.users")]
    pub officer: Option<String>,
    /// 评分.
    #[field(json)]
    pub score: Option<Value>,
    /// 征信编号.
    #[field(max = 20, encrypted, level = "L4", mask = "all", look = permissions::LOOK)]
    pub report: Option<String>,
    /// 合同.
    #[field(accept = "pdf, csv", max = 3_000_000)]
    pub contract: Option<StoredFile>,
    /// 证照.
    #[field(encrypted, level = "L3", mask = "hidden", reveal = permissions::CONTACT, look = permissions::LOOK)]
    pub papers: Option<Vec<StoredFile>>,
    /// 征信报告.
    #[field(encrypted, level = "L4", mask = "hidden", look = permissions::LOOK)]
    pub credit: Option<StoredFile>,
}

/// 贷款状态.
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// 已提交.
    #[choice(tone = "info")]
    Submitted,
    /// 已批准.
    #[choice(tone = "success")]
    Approved,
    /// 已拒绝.
    #[choice(tone = "danger")]
    Refused,
}

/// 授权书.
#[derive(Collection, Clone, Debug, PartialEq)]
#[collection(plural = "letters", title = recipient, shard = subject, read = permissions::EVIDENCE)]
pub struct Letter {
    #[field(to = "platform.organisations")]
    pub recipient: String,
    #[field(json)]
    pub items: Vec<String>,
    #[field(json)]
    pub purposes: Vec<String>,
    pub valid_from: Date,
    pub valid_to: Date,
    pub max_uses: Option<i64>,
    pub uses: i64,
    pub status: LetterStatus,
}

/// 授权书状态.
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
pub enum LetterStatus {
    Signed,
    Revoked,
}

/// 纳税. What the demo model reads: its grade, and one figure for everything else.
#[derive(Collection, Clone, Debug, PartialEq)]
#[collection(plural = "taxes", entity = "tax", title = grade, shard = subject, read = permissions::EVIDENCE)]
pub struct Tax {
    pub grade: String,
    pub figure: i64,
}

/// 通知.
#[derive(Collection, Clone, Debug, PartialEq)]
#[collection(plural = "notices", title = text, shard = aggregate, read = permissions::NOTICE)]
pub struct Notice {
    pub text: String,
}

/// 申请贷款.
#[derive(Action, Debug)]
#[action(name = "loan.request", permission = permissions::REQUEST)]
pub struct Request {
    /// 编号.
    #[field(max = 20)]
    pub number: String,
    /// 金额.
    #[field(min = 1)]
    pub amount: Money,
    /// 银行.
    #[field(to = "platform.organisations")]
    pub bank: String,
    #[field(to = "loans")]
    pub previous: Option<String>,
    pub tax_number: Option<String>,
    pub phone: Option<String>,
    /// 征信编号.
    #[field(max = 20)]
    pub report: Option<String>,
    pub district: Option<String>,
    /// Left out, it is the state a loan begins in.
    pub status: Option<Status>,
}

impl CollectionAction for Request {
    type Record = Loan;
    fn run(self, ctx: &mut Ctx) -> Result<Done, Fault> {
        let subject = ctx.subject()?.to_owned();
        let loan = Loan {
            number: self.number,
            amount: self.amount,
            rate: None,
            phone: self.phone,
            previous: self.previous.map(Id::new),
            tax_number: self.tax_number,
            status: self.status.unwrap_or(Status::Submitted),
            officer: None,
            score: None,
            report: self.report,
            contract: None,
            papers: None,
            credit: None,
        };
        let new = New::of(loan)
            .subject(subject)
            .organisation(self.bank)
            .district(self.district);
        let id = ctx.insert(new);
        ctx.emit(REQUESTED, &id, json!({ "amount": self.amount }));
        Ok(Done::new()
            .result(json!({ "id": id }))
            .go("/example/loans", "已提交"))
    }
}

/// 批准.
#[derive(Action, Debug)]
#[action(name = "loan.approve", permission = permissions::DECIDE)]
pub struct Approve {
    /// 利率.
    #[field(min = 0, max = 0.24)]
    pub rate: Decimal<4>,
    /// 说明.
    pub note: Option<String>,
}

impl RecordAction for Approve {
    type Record = Loan;
    fn run(self, ctx: &mut Ctx, loan: Stored<Loan>) -> Result<Done, Fault> {
        let patch = Patch::new()
            .set(Loan::STATUS, Status::Approved)
            .set(Loan::RATE, self.rate);
        ctx.update(&loan, patch);
        let subject = loan.subject.clone().unwrap_or_default();
        let notice = NoticeDraft::new(subject, format!("approved:{}", loan.id));
        let place = format!("/example/loans/{}", loan.id);
        ctx.notify(notice.title("贷款已批准", "Approved").path(place));
        // An action has its own record unmasked, whatever the caller may see of it.
        let phone = loan.phone.clone();
        Ok(Done::new()
            .note(self.note.unwrap_or_default())
            .result(json!({ "phone": phone })))
    }
}

/// 分派.
#[derive(Action, Debug)]
#[action(name = "loan.assign", permission = permissions::ASSIGN)]
pub struct Assign {
    /// 经办人.
    #[field(to = "platform.users")]
    pub officer: Option<String>,
}

impl RecordAction for Assign {
    type Record = Loan;
    fn run(self, ctx: &mut Ctx, loan: Stored<Loan>) -> Result<Done, Fault> {
        let patch = match self.officer {
            Some(officer) => Patch::new().set(Loan::OFFICER, officer),
            None => Patch::new().clear(Loan::OFFICER),
        };
        ctx.update(&loan, patch);
        Ok(Done::new())
    }
}

/// 附上文件.
#[derive(Action, Debug)]
#[action(name = "loan.attach", permission = permissions::REQUEST)]
pub struct Attach {
    /// 合同.
    #[field(accept = "pdf, csv", max = 3_000_000)]
    pub contract: Option<StoredFile>,
    /// 证照.
    pub papers: Option<Vec<StoredFile>>,
    /// 征信报告.
    pub credit: Option<StoredFile>,
    /// 抄自: another loan, whose contract it is.
    #[field(to = "loans")]
    pub same_as: Option<String>,
    /// 摘要: what no module may make a file of.
    pub digest: Option<String>,
}

impl RecordAction for Attach {
    type Record = Loan;
    fn run(self, ctx: &mut Ctx, loan: Stored<Loan>) -> Result<Done, Fault> {
        let mut contract = self.contract;
        if let Some(other) = self.same_as {
            contract.clone_from(&ctx.must::<Loan>(&other)?.contract);
        }
        if let Some(digest) = self.digest {
            contract = Some(StoredFile {
                digest,
                name: "made-up.csv".into(),
                size: 1,
            });
        }
        let mut patch = Patch::new();
        if let Some(contract) = contract {
            patch = patch.set(Loan::CONTRACT, contract);
        }
        if let Some(papers) = self.papers {
            patch = patch.set(Loan::PAPERS, papers);
        }
        if let Some(credit) = self.credit {
            patch = patch.set(Loan::CREDIT, credit);
        }
        ctx.update(&loan, patch);
        Ok(Done::new())
    }
}

/// 评分.
#[derive(Action, Debug)]
#[action(name = "loan.score", permission = permissions::DECIDE, purpose = "02")]
pub struct Score {
    /// 模型.
    pub model: Option<String>,
}

impl RecordAction for Score {
    type Record = Loan;
    fn run(self, ctx: &mut Ctx, loan: Stored<Loan>) -> Result<Done, Fault> {
        score(ctx, &loan, self.model)
    }
}

/// 贷后监测: what the letters here are never signed for.
#[derive(Action, Debug)]
#[action(name = "loan.monitor", permission = permissions::DECIDE, purpose = "03")]
pub struct Monitor {}

impl RecordAction for Monitor {
    type Record = Loan;
    fn run(self, ctx: &mut Ctx, loan: Stored<Loan>) -> Result<Done, Fault> {
        score(ctx, &loan, None)
    }
}

/// 无用途评分: what no module gets.
#[derive(Action, Debug)]
#[action(name = "loan.pry", permission = permissions::DECIDE)]
pub struct Pry {}

impl RecordAction for Pry {
    type Record = Loan;
    fn run(self, ctx: &mut Ctx, loan: Stored<Loan>) -> Result<Done, Fault> {
        score(ctx, &loan, None)
    }
}

fn score(ctx: &mut Ctx, loan: &Stored<Loan>, model: Option<String>) -> Result<Done, Fault> {
    let scored = ctx.score(&ScoreRequest {
        organisation: loan.organisation.clone().unwrap_or_default(),
        model: model.unwrap_or_else(|| "tax-loan".into()),
        subject: loan.subject.clone().unwrap_or_default(),
        reference: loan.id.to_string(),
    })?;
    ctx.update(loan, Patch::new().set(Loan::SCORE, json!(scored)));
    Ok(Done::new().result(json!(scored)))
}

/// 越权改写: what a module must not do, one way for each `how`.
#[derive(Action, Debug)]
#[action(name = "loan.spoil", permission = permissions::DECIDE)]
pub struct Spoil {
    /// 方式.
    pub how: String,
}

impl RecordAction for Spoil {
    type Record = Loan;
    fn run(self, ctx: &mut Ctx, loan: Stored<Loan>) -> Result<Done, Fault> {
        let notice = |text: &str| {
            New::of(Notice {
                text: text.to_owned(),
            })
        };
        match self.how.as_str() {
            "frozen" => ctx.update(&loan, Patch::new().set(Loan::NUMBER, "other")),
            "flow" => ctx.update(&loan, Patch::new().set(Loan::STATUS, Status::Refused)),
            "required" => ctx.update(&loan, Patch::new().clear(Loan::AMOUNT)),
            "range" => ctx.update(
                &loan,
                Patch::new().set(Loan::AMOUNT, Money::from_yuan(1001)),
            ),
            "stale" => {
                let old = Stored {
                    revision: loan.revision - 1,
                    ..loan
                };
                ctx.update(&old, Patch::new().set(Loan::AMOUNT, Money::from_yuan(5)));
            }
            "event" => ctx.emit(
                EventName {
                    name: "loan.spoilt",
                    ..REQUESTED
                },
                &loan.id,
                json!({}),
            ),
            "notice" => {
                let nobody = NoticeDraft::new(HUJIANG, "k").title("外面", "");
                ctx.insert(notice("before a notice"));
                ctx.notify(nobody.path("/market/products"));
            }
            "half" => {
                ctx.insert(notice("first half"));
                ctx.update(&loan, Patch::new().set(Loan::PREVIOUS, Id::new("nowhere")));
            }
            _ => ctx.update(&loan, Patch::new().set(Loan::AMOUNT, Money::from_yuan(7))),
        }
        Ok(Done::new())
    }
}

/// 签署授权.
#[derive(Action, Debug)]
#[action(name = "letter.sign", permission = permissions::SIGN)]
pub struct Sign {
    #[field(to = "platform.organisations")]
    pub bank: String,
    #[field(json)]
    pub items: Vec<String>,
    pub max_uses: Option<i64>,
}

impl CollectionAction for Sign {
    type Record = Letter;
    fn run(self, ctx: &mut Ctx) -> Result<Done, Fault> {
        let letter = Letter {
            recipient: self.bank,
            items: self.items,
            purposes: vec!["02".to_owned()],
            valid_from: ctx.today(),
            valid_to: ctx.today().plus_days(29),
            max_uses: self.max_uses,
            uses: 0,
            status: LetterStatus::Signed,
        };
        let new = New::of(letter).subject(ctx.subject()?);
        ctx.insert(new);
        Ok(Done::new())
    }
}

pub fn loan() -> FlowDef {
    Flow::on(Loan::STATUS)
        .start([Status::Submitted])
        .step::<Approve>([Status::Submitted], Status::Approved)
        .build()
}

pub const REQUESTED: EventName = EventName {
    name: "loan.requested",
    label: "已申请",
    en: "Loan requested",
};

/// A loan whose number begins so is heard of a minute late: until then its listener fails.
pub const LATE: &str = "LATE";
/// Microseconds.
const MINUTE: i64 = 60_000_000;

fn on_requested(ctx: &mut Ctx, event: &Event) -> Result<(), Fault> {
    let loan = ctx.must::<Loan>(&event.aggregate)?;
    if loan.number.starts_with(LATE) && ctx.now().micros() < event.at + MINUTE {
        return Err(Fault::refused("example.too-early", "再等一会儿"));
    }
    ctx.insert(New::of(Notice {
        text: format!("{} {}", loan.number, loan.amount),
    }));
    let bank = loan.organisation.clone().unwrap_or_default();
    let notice = permissions::DECIDE.notice(bank, format!("requested:{}", loan.id));
    ctx.notify(
        notice
            .title("有新的贷款申请", "A new request")
            .text(&loan.number, "")
            .path(format!("/example/loans/{}", loan.id)),
    );
    Ok(())
}

/// Leaves a trace of each time it is run, and of how much there was.
fn on_day(ctx: &mut Ctx, event: &Event) -> Result<(), Fault> {
    let loans = ctx.find(Find::<Loan>::new().limit(1).total())?;
    let slot = event.data.get("slot").and_then(Value::as_str);
    ctx.insert(New::of(Notice {
        text: format!("{} {}", slot.unwrap_or_default(), loans.total),
    }));
    Ok(())
}

const SCHEDULES: &[Schedule] = &[Schedule {
    name: "day.began",
    label: "每日盘点",
    en: "Daily count",
    when: When::Daily { hour: 6, minute: 0 },
    run: on_day,
}];

fn loans(ctx: &Ctx, ask: &Ask) -> Result<Page, Fault> {
    let mut find = Find::<Loan>::new()
        .sort(Loan::AMOUNT.desc())
        .page(ask.page_number(), 2);
    if let Some(status) = ask.query("status") {
        find = find.filter(Filter::eq("status", status));
    }
    let rows = ctx.find(find)?;
    let total = rows.total.to_string();
    let facts = rows
        .into_iter()
        .map(|loan| Fact::new(&loan.number, Datum::Money(loan.amount.units)));
    Ok(Page::new("贷款")
        .subtitle(total)
        .block(Block::details("loans", facts.collect())))
}

fn loan_page(ctx: &Ctx, ask: &Ask) -> Result<Page, Fault> {
    let loan = ctx.must::<Loan>(ask.param("id"))?;
    let steps = ctx.steps(&loan)?;
    let mut facts = vec![
        Fact::new("电话", Datum::text(loan.phone.clone().unwrap_or_default())),
        Fact::new(
            "征信编号",
            Loan::REPORT.masked(&loan.id, loan.report.clone().unwrap_or_default()),
        ),
        Fact::new(
            "步骤",
            Datum::text(
                steps
                    .iter()
                    .map(|s| s.to.as_str())
                    .collect::<Vec<_>>()
                    .join(" "),
            ),
        ),
        Fact::new(
            "备注",
            Datum::text(
                steps
                    .iter()
                    .filter_map(|s| s.note.as_deref())
                    .collect::<String>(),
            ),
        ),
    ];
    if loan.papers.is_none() {
        facts.push(Fact::new("证照", Loan::PAPERS.masked(&loan.id)));
    }
    facts.push(Fact::new("征信报告", Loan::CREDIT.masked(&loan.id)));
    let papers = loan.papers.iter().flatten();
    let papers = papers.map(|file| Loan::PAPERS.shown(&loan.id, file));
    let contract = loan.contract.iter();
    let contract = contract.map(|file| Loan::CONTRACT.shown(&loan.id, file));
    Ok(Page::new(&loan.number)
        .block(Block::details("loan", facts))
        .block(Block::files("files", contract.chain(papers).collect())))
}

fn sums(ctx: &Ctx, _: &Ask) -> Result<Page, Fault> {
    let groups = ctx.aggregate(Aggregate {
        collection: "loans".into(),
        filter: None,
        group_by: vec!["status".into()],
        measures: vec![Measure::Count, Measure::Sum("amount".into())],
        ..Aggregate::default()
    })?;
    let facts = groups.iter().map(|g| {
        Fact::new(
            json!(g.keys).to_string(),
            Datum::text(json!(g.measures).to_string()),
        )
    });
    Ok(Page::new("合计").block(Block::details("sums", facts.collect())))
}

#[expect(clippy::unnecessary_wraps, reason = "a page may fail")]
fn welcome(_: &Ctx, _: &Ask) -> Result<Page, Fault> {
    Ok(Page::new("欢迎"))
}

#[expect(clippy::unnecessary_wraps, reason = "a block may fail")]
fn newest(ctx: &Ctx, _: &Ask) -> Result<Vec<Section>, Fault> {
    let title = ctx.caller().name.clone();
    Ok(vec![
        Section::stack()
            .title(title)
            .block(Block::prose("hello", "您好")),
    ])
}

const fn route(
    path: &'static str,
    permission: Permission,
    render: fn(&Ctx, &Ask) -> Result<Page, Fault>,
) -> Route {
    Route {
        path,
        label: "页",
        en: "Page",
        icon: "",
        area: Area::None,
        order: 0,
        permission,
        render,
    }
}

const PAGES: &[Route] = &[
    route("/example/loans", permissions::READ, loans),
    route("/example/loans/{id}", permissions::READ, loan_page),
    route("/example/loans/sums", permissions::READ, sums),
    route("/example/welcome", permissions::BROWSE, welcome),
];

const BLOCKS: &[HomeBlock] = &[HomeBlock {
    id: "newest",
    order: 1,
    permission: permissions::REQUEST,
    render: newest,
}];

const ON: &[Listener] = &[Listener {
    event: "example.loan.requested",
    run: on_requested,
}];

/// The features of `examples/bank-models/tax-loan`, and one that it does not read.
const FEATURES: [&str; 14] = [
    "tax.grade",
    "tax.paid_12m",
    "tax.sales_12m",
    "tax.sales_cv",
    "tax.months_declared",
    "social.insured",
    "social.insured_change_12m",
    "social.months_in_arrears",
    "utility.power_change_12m",
    "utility.arrears_count",
    "judicial.enforcement_count",
    "judicial.dishonest_count",
    "judicial.penalty_count",
    "customs.declarations",
];

fn features() -> Vec<FeatureDef> {
    let feature = |name: &str| {
        let field = match name {
            "tax.grade" => Tax::GRADE.name(),
            _ => Tax::FIGURE.name(),
        };
        let item = match name {
            "customs.declarations" => "customs",
            _ => "tax",
        };
        FeatureDef {
            name: name.into(),
            label: Label::new(name, name),
            item: item.into(),
            collection: Tax::COLLECTION.into(),
            field: field.into(),
            disputed: None,
        }
    };
    FEATURES.into_iter().map(feature).collect()
}

fn disclosures() -> DisclosureDef {
    DisclosureDef {
        collection: Letter::COLLECTION.into(),
        usable: LetterStatus::Signed.value().into(),
        denials: [(
            LetterStatus::Revoked.value().to_owned(),
            "REVOKED".to_owned(),
        )]
        .into(),
        template: None,
        uses: None,
    }
}

/// A bank.
const HUJIANG: &str = "01930000-0000-7000-8000-000000000101";
pub const ENTERPRISE: &str = "01930000-0000-7000-8000-000000001001";

fn seeds() -> Vec<SeedDef> {
    let tax = Tax {
        grade: "A".into(),
        figure: 2,
    };
    vec![
        Seed::demo("01930000-0000-7000-8000-0000000f0001", tax)
            .subject(ENTERPRISE)
            .into(),
    ]
}

sdk::plugin! {
    id: "example",
    label: ("示例", "Example"),
    collections: [Loan, Letter, Tax, Notice],
    choices: [Status, LetterStatus],
    flows: [loan],
    actions: [Request, Approve, Assign, Attach, Score, Monitor, Pry, Spoil, Sign],
    pages: PAGES,
    blocks: BLOCKS,
    events: &[REQUESTED],
    on: ON,
    schedules: SCHEDULES,
    permissions: permissions::ALL,
    features: features(),
    disclosures: Some(disclosures()),
    seeds: seeds(),
}
