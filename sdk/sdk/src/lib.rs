//! What a plugin author writes against.
//!
//! A plugin declares what exists, who may do what, and what happens; the kernel derives tables,
//! the HTTP API, validation, flows, audit and menus from it. Here is a whole one, in one piece;
//! a real one has a file for each part (`model.rs`, `permissions.rs`, `actions.rs`, …).
//!
//! ```
//! mod permissions {
//!     sdk::permissions! {
//!         /// 查看申请.
//!         READ = "application.read": { "enterprise.owner": own, "bank.officer": organisation };
//!         /// 提出申请.
//!         APPLY = "application.apply": { "enterprise.owner": own };
//!         /// 审批申请.
//!         APPROVE = "application.approve": { "bank.officer": organisation };
//!     }
//! }
//!
//! mod model {
//!     use sdk::prelude::*;
//!     use crate::permissions;
//!
//!     /// 贷款申请. One request to one bank for one product.
//!     #[derive(Collection, Clone, Debug, PartialEq)]
//!     #[collection(plural = "applications", title = number, shard = subject, audited,
//!                  retention(purpose = "受理贷款申请"), read = permissions::READ,
//!                  index(organisation, status), unique(number))]
//!     pub struct Application {
//!         /// 申请编号.
//!         #[field(max = 32, frozen, list, search, unique)]
//!         pub number: String,
//!         /// 产品.
//!         #[field(to = "market.products", frozen)]
//!         pub product: String,
//!         /// 申请金额. In 元.
//!         #[field(min = 0, max = 10_000_000, list)]
//!         pub amount: Money,
//!         /// 年化利率. Set when it is approved.
//!         pub rate: Option<Decimal<4>>,
//!         /// 联系电话.
//!         #[field(format = "phone", encrypted, level = "L3", mask = "phone", reveal = permissions::APPROVE)]
//!         pub phone: Option<String>,
//!         /// 状态.
//!         #[field(list)]
//!         pub status: Status,
//!         /// 退回原因.
//!         #[field(json)]
//!         pub reasons: Vec<String>,
//!     }
//!
//!     /// 申请状态.
//!     #[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
//!     pub enum Status {
//!         /// 已提交.
//!         #[choice(tone = "info")]
//!         Submitted,
//!         /// 已批准.
//!         #[choice(tone = "success")]
//!         Approved,
//!     }
//! }
//!
//! mod actions {
//!     use sdk::prelude::*;
//!     use crate::events;
//!     use crate::model::{Application, Status};
//!     use crate::permissions;
//!
//!     /// 提出申请.
//!     #[derive(Action, Debug)]
//!     #[action(name = "application.apply", permission = permissions::APPLY)]
//!     pub struct Apply {
//!         /// 产品.
//!         #[field(to = "market.products")]
//!         pub product: String,
//!         /// 银行.
//!         #[field(to = "platform.organisations")]
//!         pub bank: String,
//!         /// 申请金额.
//!         #[field(min = 1, max = 10_000_000)]
//!         pub amount: Money,
//!     }
//!
//!     impl CollectionAction for Apply {
//!         type Record = Application;
//!         fn run(self, ctx: &mut Ctx) -> Result<Done, Fault> {
//!             let subject = ctx.subject()?.to_owned();
//!             let id = ctx.new_id::<Application>();
//!             let application = Application {
//!                 number: format!("A-{}", id.as_str().get(9..13).unwrap_or_default()),
//!                 product: self.product,
//!                 amount: self.amount,
//!                 rate: None,
//!                 phone: None,
//!                 status: Status::Submitted,
//!                 reasons: Vec::new(),
//!             };
//!             let new = New::of(application).id(id).subject(subject).organisation(self.bank);
//!             let id = ctx.insert(new);
//!             ctx.emit(events::SUBMITTED, &id, json!({ "amount": self.amount }));
//!             Ok(Done::new()
//!                 .result(json!({ "id": id }))
//!                 .go(format!("/example/applications/{id}"), "申请已提交"))
//!         }
//!     }
//!
//!     /// 批准.
//!     #[derive(Action, Debug)]
//!     #[action(name = "application.approve", permission = permissions::APPROVE)]
//!     pub struct Approve {
//!         /// 批准利率.
//!         #[field(min = 0, max = 0.24)]
//!         pub rate: Decimal<4>,
//!     }
//!
//!     impl RecordAction for Approve {
//!         type Record = Application;
//!         fn run(self, ctx: &mut Ctx, application: Stored<Application>) -> Result<Done, Fault> {
//!             if application.amount > Money::from_yuan(5_000_000) {
//!                 return Err(Fault::refused("example.over-limit", "超出本岗位的审批额度"));
//!             }
//!             let patch = Patch::new()
//!                 .set(Application::STATUS, Status::Approved)
//!                 .set(Application::RATE, self.rate);
//!             ctx.update(&application, patch);
//!             Ok(Done::new().stay("已批准"))
//!         }
//!     }
//! }
//!
//! mod flows {
//!     use sdk::prelude::*;
//!     use crate::actions::Approve;
//!     use crate::model::{Application, Status};
//!
//!     pub fn application() -> FlowDef {
//!         Flow::on(Application::STATUS)
//!             .start([Status::Submitted])
//!             .step::<Approve>([Status::Submitted], Status::Approved)
//!             .build()
//!     }
//! }
//!
//! mod events {
//!     use sdk::prelude::*;
//!
//!     pub const SUBMITTED: EventName = EventName {
//!         name: "application.submitted",
//!         label: "申请已提交",
//!         en: "Application submitted",
//!     };
//!     pub const ALL: &[EventName] = &[SUBMITTED];
//!     pub const ON: &[Listener] =
//!         &[Listener { event: "market.product.withdrawn", run: on_product_withdrawn }];
//!
//!     fn on_product_withdrawn(ctx: &mut Ctx, event: &Event) -> Result<(), Fault> {
//!         ctx.log(Level::Info, format!("product {} is gone", event.aggregate));
//!         Ok(())
//!     }
//! }
//!
//! mod pages {
//!     use sdk::prelude::*;
//!     use crate::model::Application;
//!     use crate::permissions;
//!
//!     pub const ALL: &[Route] = &[Route {
//!         path: "/example/applications/{id}",
//!         label: "申请详情",
//!         en: "Application",
//!         icon: "file-text",
//!         area: Area::None,
//!         order: 0,
//!         permission: permissions::READ,
//!         render: application,
//!     }];
//!     pub const BLOCKS: &[HomeBlock] =
//!         &[HomeBlock { id: "progress", order: 30, permission: permissions::READ, render: progress }];
//!
//!     fn application(ctx: &Ctx, ask: &Ask) -> Result<Page, Fault> {
//!         let application = ctx.must::<Application>(ask.param("id"))?;
//!         let facts = vec![
//!             Fact::new("申请金额", Datum::Money(application.amount.units)),
//!             Fact::new("提交时间", Datum::Time(application.created_at.micros())),
//!         ];
//!         let status = application.status;
//!         Ok(Page::new(&application.number)
//!             .status(status.label(), status.tone())
//!             .block(Block::details("facts", facts)))
//!     }
//!
//!     fn progress(ctx: &Ctx, _: &Ask) -> Result<Vec<Section>, Fault> {
//!         let newest = Find::<Application>::new().sort(Application::CREATED_AT.desc()).limit(3);
//!         let rows = ctx.find(newest)?;
//!         let cards = rows.into_iter().map(|a| Card::new(&a.number)).collect();
//!         Ok(vec![Section::stack().block(Block::cards("progress", Cards::new(CardLook::Menu, cards)))])
//!     }
//! }
//!
//! sdk::plugin! {
//!     id: "example",
//!     label: ("示例", "Example"),
//!     collections: [model::Application],
//!     choices: [model::Status],
//!     flows: [flows::application],
//!     actions: [actions::Apply, actions::Approve],
//!     pages: pages::ALL,
//!     blocks: pages::BLOCKS,
//!     events: events::ALL,
//!     on: events::ON,
//!     permissions: permissions::ALL,
//! }
//!
//! # fn main() {
//! let def = module().describe();
//! let collection = def.collection("applications").unwrap();
//! assert_eq!(collection.label.zh, "贷款申请");
//! assert_eq!(collection.help, "One request to one bank for one product.");
//! assert_eq!(collection.field("submitted_at"), None);
//! assert!(def.action("application.approve").unwrap().record);
//! assert!(!def.action("application.apply").unwrap().record);
//! # }
//! ```
//!
//! Tests drive the same module natively through `sdk-testkit`.

pub mod action;
pub mod choice;
pub mod ctx;
pub mod event;
pub mod field;
pub mod flow;
#[doc(hidden)]
pub mod guest;
pub mod host;
pub mod module;
pub mod page;
pub mod permission;
mod plugin;
pub mod prelude;
pub mod record;
pub mod seed;

#[doc(hidden)]
pub use sdk_bindings as bindings;
pub use sdk_contract as contract;
#[doc(hidden)]
pub use serde;
pub use serde_json::{self, Value};

/// A JSON object: field names to canonical values.
pub type Map = serde_json::Map<String, Value>;
