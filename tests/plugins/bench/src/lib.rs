//! What is measured: one collection, one action that makes a record, one page of about 2 KiB.
//! A plugin like any other, but installed by the bench alone.

mod model {
    use sdk::prelude::*;

    use crate::permissions;

    /// 事项. A thing to do, owned by an organisation.
    #[derive(Collection, Clone, Debug, PartialEq)]
    #[collection(
        plural = "tickets",
        title = number,
        shard = organisation,
        audited,
        read = permissions::READ,
        index(organisation, status, placed)
    )]
    pub(crate) struct Ticket {
        /// 编号.
        #[field(max = 32, frozen, list, search)]
        pub(crate) number: String,
        /// 状态.
        #[field(list)]
        pub(crate) status: Status,
        /// 日期.
        #[field(list)]
        pub(crate) placed: Date,
        /// 金额.
        #[field(min = 0, list)]
        pub(crate) amount: Money,
        /// 比率.
        pub(crate) ratio: Decimal<4>,
        /// 行数.
        #[field(min = 0)]
        pub(crate) lines: i64,
        /// 加急.
        pub(crate) urgent: bool,
        /// 备注.
        #[field(max = 200)]
        pub(crate) note: Option<String>,
    }

    /// 状态.
    #[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum Status {
        /// 待办.
        Open,
        /// 在办.
        Doing,
        /// 办结.
        Done,
        /// 关闭.
        Closed,
    }
}

mod permissions {
    sdk::permissions! {
        /// 查看事项.
        READ = "ticket.read": { "bench.clerk": organisation };
        /// 新建事项.
        CREATE = "ticket.create": { "bench.clerk": organisation };
    }
}

mod actions {
    use sdk::prelude::*;

    use crate::model::{Status, Ticket};
    use crate::permissions;

    /// 新建.
    #[derive(Action, Debug)]
    #[action(name = "ticket.create", permission = permissions::CREATE)]
    pub(crate) struct Create {
        /// 编号.
        #[field(max = 32)]
        pub(crate) number: String,
        /// 金额.
        #[field(min = 0)]
        pub(crate) amount: Money,
        /// 备注.
        #[field(max = 200)]
        pub(crate) note: Option<String>,
    }

    impl CollectionAction for Create {
        type Record = Ticket;

        fn run(self, ctx: &mut Ctx) -> Result<Done, Fault> {
            let organisation = ctx.organisation()?.to_owned();
            let ticket = Ticket {
                number: self.number,
                status: Status::Open,
                placed: ctx.today(),
                amount: self.amount,
                ratio: Decimal::default(),
                lines: 1,
                urgent: false,
                note: self.note,
            };
            let id = ctx.insert(New::of(ticket).organisation(organisation));
            Ok(Done::new().result(json!({ "id": id })))
        }
    }
}

mod pages {
    use sdk::prelude::*;

    use crate::permissions;

    pub(crate) const ALL: &[Route] = &[Route {
        path: "/bench/sheet",
        label: "测量页",
        en: "Sheet",
        icon: "file-text",
        area: Area::None,
        order: 0,
        permission: permissions::READ,
        render: sheet,
    }];

    /// Reads nothing, so that its cost is the boundary's and the renderer's alone.
    #[expect(clippy::unnecessary_wraps, reason = "a route's function may fail")]
    fn sheet(ctx: &Ctx, _: &Ask) -> Result<Page, Fault> {
        let facts = (1..=FACTS)
            .map(|n| {
                Fact::new(
                    format!("项目{n}"),
                    Datum::text(format!("{} · {n}", ctx.caller().name)),
                )
            })
            .collect();
        Ok(Page::new("测量页").block(Block::details("facts", facts)))
    }

    /// As many as make a document of about 2 KiB.
    const FACTS: u32 = 26;
}

sdk::plugin! {
    id: "bench",
    label: ("测量", "Bench"),
    collections: [model::Ticket],
    choices: [model::Status],
    actions: [actions::Create],
    pages: pages::ALL,
    permissions: permissions::ALL
}
