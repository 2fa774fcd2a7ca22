//! What a person must do before anything else. Pure.

use sdk_contract::scalar::Timestamp;

use crate::offer::Ways;
use crate::session::SessionPolicy;

/// Something that comes before all else: until it is done, only the account's own pages and what
/// everybody may do are open ([`crate::decide`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duty {
    /// The password was given by somebody else, or is too old.
    ChangePassword,
    /// The terms as they are now were never accepted.
    AcceptTerms,
    /// One of the caller's roles needs a second factor, and there is none.
    AddFactor,
    /// One of the caller's roles needs a certificate, and there is none.
    AddCertificate,
}

impl Duty {
    /// Stable; for programs.
    pub fn code(self) -> &'static str {
        match self {
            Self::ChangePassword => "password-change-needed",
            Self::AcceptTerms => "terms-acceptance-needed",
            Self::AddFactor => "second-factor-needed",
            Self::AddCertificate => "certificate-needed",
        }
    }

    pub fn message(self) -> &'static str {
        match self {
            Self::ChangePassword => "请先修改密码，再继续使用",
            Self::AcceptTerms => "请先阅读并同意现行的用户服务协议，再继续使用；不同意的请退出登录",
            Self::AddFactor => "您的岗位须启用第二重验证，请先在“账号安全”中启用",
            Self::AddCertificate => {
                "您的岗位只能以 SM2 数字证书作为第二重验证，请先在“账号安全”中申请或登记"
            }
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
    /// Accepted the terms as they are now.
    pub(crate) accepted: bool,
    pub(crate) ways: &'a Ways,
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
    if !of.accepted {
        return Some(Duty::AcceptTerms);
    }
    let certified = |role: &String| policy.needs_certificate(role);
    if !of.ways.certificate && of.roles.iter().any(certified) {
        return Some(Duty::AddCertificate);
    }
    let needs = of.roles.iter().any(|role| policy.needs_factor(role));
    (needs && !of.ways.any()).then_some(Duty::AddFactor)
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
            accepted: true,
            ways: &Ways {
                code: factor,
                ..Ways::default()
            },
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
    fn pi_01_who_has_not_accepted_the_terms_does_so_before_a_factor_is_asked_for() {
        let roles = ["bank.officer".to_owned()];
        let standing = Standing {
            roles: &roles,
            given: true,
            set_at: None,
            accepted: false,
            ways: &Ways::default(),
        };
        let open = |standing| open(&SessionPolicy::default(), standing, Timestamp(0));
        assert_eq!(open(standing), Some(Duty::ChangePassword));
        let chosen = Standing {
            given: false,
            ..standing
        };
        assert_eq!(open(chosen), Some(Duty::AcceptTerms));
        let accepted = Standing {
            accepted: true,
            ..chosen
        };
        assert_eq!(open(accepted), Some(Duty::AddFactor));
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

    #[test]
    fn mm_4a_a_role_that_needs_a_certificate_is_content_with_nothing_else() {
        let policy = SessionPolicy {
            certificate: vec!["bank.".into(), "enterprise.owner".into()],
            ..SessionPolicy::default()
        };
        let at = |role: &str, factor, certificate| {
            let standing = Standing {
                roles: &[role.to_owned()],
                given: false,
                set_at: None,
                accepted: true,
                ways: &Ways {
                    code: factor,
                    certificate,
                    ..Ways::default()
                },
            };
            open(&policy, standing, Timestamp(0))
        };
        for role in ["bank.officer", "enterprise.owner"] {
            assert!(policy.needs_factor(role), "{role}");
            assert_eq!(at(role, false, false), Some(Duty::AddCertificate), "{role}");
            assert_eq!(at(role, true, false), Some(Duty::AddCertificate), "{role}");
            assert_eq!(at(role, true, true), None, "{role}");
        }
        assert_eq!(at("platform.operator", true, false), None);
    }
}
