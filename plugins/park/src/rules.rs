//! Who is shown what.

/// Why a caller cannot apply for a park's product; none when it can.
pub(crate) fn closed(signed_in_subject: bool, tenant: bool) -> Option<&'static str> {
    match (signed_in_subject, tenant) {
        (_, true) => None,
        (true, false) => Some("只对本园区入驻企业开放"),
        (false, false) => Some("请以入驻企业身份登录后申请"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tenants_may_apply() {
        assert_eq!(closed(true, true), None);
        assert!(closed(true, false).is_some_and(|why| why.contains("入驻企业")));
        assert!(closed(false, false).is_some_and(|why| why.contains("登录")));
    }
}
