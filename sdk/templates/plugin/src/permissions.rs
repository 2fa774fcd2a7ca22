//! Who may, by default. An operator may narrow or widen it.

sdk::permissions! {
    /// 查看工单.
    READ = "ticket.read", "Read tickets": { "enterprise.owner": own, "platform.operator": all };
    /// 提出工单.
    ASK = "ticket.ask", "Ask": { "enterprise.owner": own };
    /// 答复工单.
    ANSWER = "ticket.answer", "Answer": { "platform.operator": all };
}
