//! What a person must do before anything else. Pure.

use sdk_contract::scalar::Timestamp;

use crate::session::SessionPolicy;

/// Something that comes before all else: until it is done, only the account's own pages and what
/// everybody may do are open ([`crate::decide`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duty {
    /// The password was given by somebody else, or is too old.
    ChangePassword,
    /// One of the caller's roles needs a second factor, and there is none.
    AddFactor,
}

impl Duty {
    /// Stable; for programs.
    pub fn code(self) -> &'static str {
        match self {
            Self::ChangePassword => "password-change-needed",
            Self::AddFactor => "second-factor-needed",
        }
    }

    pub fn message(self) -> &'static str {
        match self {
            Self::ChangePassword => "请先修改密码，再继续使用",
            Self::AddFactor => "您的岗位须启用第二重验证，请先在“账号安全”中启用",
        }
    }
}

/// Facts about an account.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Standing<'a> {
    pub(crate) roles: &'a [String],
    /// Somebody else knows the password.
    pub(crate) given: bool,
    /// When the password was set; unknown for accounts older than this record.
    pub(crate) set_at: Option<Timestamp>,
    pub(crate) factor: bool,
}

/// The first duty that is open at `now`.
pub(crate) fn open(policy: &SessionPolicy, of: Standing<'_>, now: Timestamp) -> Option<Duty> {
    let days = policy.password.days;
    let old = of
        .set_at
        .is_some_and(|set| days > 0 && now >= set.plus_seconds(days.saturating_mul(86_400)));
    if of.given || old {
        return Some(Duty::ChangePassword);
    }
    let needs = of.roles.iter().any(|role| policy.needs_factor(role));
    (needs && !of.factor).then_some(Duty::AddFactor)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000_000;

    fn at(roles: &[String], given: bool, set: i64, factor: bool) -> Option<Duty> {
        let standing = Standing {
            roles,
            given,
            set_at: Some(Timestamp(set)),
            factor,
        };
        open(&SessionPolicy::default(), standing, Timestamp(100 * DAY))
    }

    #[test]
    fn dj_01_a_given_or_old_password_is_changed_first() {
        assert_eq!(at(&[], true, 99 * DAY, true), Some(Duty::ChangePassword));
        assert_eq!(at(&[], false, 10 * DAY, true), Some(Duty::ChangePassword));
        assert_eq!(at(&[], false, 10 * DAY + 1, true), None);
    }

    #[test]
    fn dj_04_banks_government_and_administrators_need_a_second_factor() {
        for role in [
            "platform.operator",
            "bank.officer",
            "model.validator",
            "government.official",
        ] {
            let roles = [role.to_owned()];
            assert_eq!(
                at(&roles, false, 99 * DAY, false),
                Some(Duty::AddFactor),
                "{role}"
            );
            assert_eq!(at(&roles, false, 99 * DAY, true), None, "{role}");
        }
        assert_eq!(
            at(&["enterprise.owner".to_owned()], false, 99 * DAY, false),
            None
        );
    }
}
