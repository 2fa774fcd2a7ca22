//! Who may, by default.

sdk::permissions! {
    /// 查看个人信息保护台账.
    READ = "register.read", "Read the registers": {
        "platform.security": all, "platform.operator": all, "platform.auditor": all
    };
    /// 查看安全事件告知.
    TOLD = "telling.read", "Read what one was told of incidents": {
        "signed-in": organisation,
        "platform.security": all, "platform.operator": all, "platform.auditor": all
    };
    /// 维护个人信息保护台账.
    KEEP = "register.keep", "Keep the registers": { "platform.security": all };
}
