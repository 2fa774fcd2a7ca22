//! Times and limits, as configured.

use kernel_crypto::ca::outside::Authorities;
use sdk_contract::scalar::Timestamp;
use serde::{Deserialize, Serialize};

use crate::account::ADMINISTRATORS;
use crate::clearance::Clearances;
use crate::composed::{OrganisationPolicy, covers};
use crate::network::Network;
use crate::password_rules::PasswordPolicy;
use crate::providers::Providers;
use crate::registration::RegistrationPolicy;
use crate::throttle::ThrottlePolicy;

/// What [`SessionPolicy::second_factor`] calls every composed role.
pub(crate) const COMPOSED: &str = "organisation.composed";

/// Times and limits of sessions, and what signing in takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SessionPolicy {
    /// Seconds without a request after which a session ends.
    pub idle_seconds: i64,
    /// The same of whoever administers the platform.
    pub idle_seconds_administrator: i64,
    /// Networks that whoever administers the platform signs in and works from; empty is anywhere.
    pub administrator_networks: Vec<Network>,
    /// Seconds after sign-in at which a session ends whatever happens.
    pub absolute_seconds: i64,
    /// Sessions one person may have at once; the oldest ends when one more begins.
    pub at_once: usize,
    /// Days without a sign-in after which an account is suspended; 0 is never.
    pub stale_days: i64,
    /// Roles that need a second factor; a name that ends in a dot stands for all that begin so.
    pub second_factor: Vec<String>,
    /// Roles of which only a certificate counts as the second factor; names as there.
    pub certificate: Vec<String>,
    /// Minutes for which a proven second factor is fresh enough for what asks for one.
    pub step_up_minutes: i64,
    pub throttle: ThrottlePolicy,
    pub password: PasswordPolicy,
    pub organisations: OrganisationPolicy,
    /// Of declared roles; the city's file has them.
    #[serde(skip)]
    pub clearances: Clearances,
    /// The platform's address as people type it; empty where it is not known.
    #[serde(skip)]
    pub address: String,
    /// Whose certificates people may register besides the platform's own; `[certificates]` has them.
    #[serde(skip)]
    pub outside: Authorities,
    pub registration: RegistrationPolicy,
    /// Where people may sign in instead of with a password.
    pub providers: Providers,
}

impl Default for SessionPolicy {
    fn default() -> Self {
        Self {
            idle_seconds: 15 * 60,
            idle_seconds_administrator: 10 * 60,
            administrator_networks: Vec::new(),
            absolute_seconds: 12 * 3600,
            at_once: 5,
            stale_days: 90,
            second_factor: [
                "platform.",
                "organisation.",
                "bank.",
                "model.",
                "government.",
            ]
            .map(str::to_owned)
            .to_vec(),
            certificate: Vec::new(),
            step_up_minutes: 10,
            throttle: ThrottlePolicy::default(),
            password: PasswordPolicy::default(),
            organisations: OrganisationPolicy::default(),
            clearances: Clearances::default(),
            address: String::new(),
            outside: Authorities::default(),
            registration: RegistrationPolicy::default(),
            providers: Providers::default(),
        }
    }
}

impl SessionPolicy {
    pub(crate) fn is_stale(&self, used: Option<Timestamp>, now: i64) -> bool {
        let days = self.stale_days.saturating_mul(86_400);
        days > 0 && used.is_some_and(|used| Timestamp(now) >= used.plus_seconds(days))
    }

    /// Seconds without a request after which anybody's session has ended.
    pub(crate) fn longest_idle(&self) -> i64 {
        self.idle_seconds.max(self.idle_seconds_administrator)
    }

    /// Seconds without a request after which a session of whoever has `roles` ends.
    pub(crate) fn idle(&self, roles: &[String]) -> i64 {
        if administers(roles) {
            self.idle_seconds_administrator
        } else {
            self.idle_seconds
        }
    }

    /// Whether whoever has `roles` may be at this address. What is no address is in no network.
    pub(crate) fn admits(&self, roles: &[String], address: &str) -> bool {
        let networks = &self.administrator_networks;
        networks.is_empty()
            || !administers(roles)
            || address
                .parse()
                .is_ok_and(|address| networks.iter().any(|n| n.contains(address)))
    }

    /// This policy without a second factor that roles must have and without an end for unused
    /// accounts: whoever tries the platform out should need no telephone and may come back late.
    #[must_use]
    pub fn for_trying_out(&self) -> Self {
        Self {
            stale_days: 0,
            second_factor: Vec::new(),
            certificate: Vec::new(),
            ..self.clone()
        }
    }

    /// Whether whoever has `role` must have a second factor.
    pub fn needs_factor(&self, role: &str) -> bool {
        covers(&self.second_factor, role) || self.needs_certificate(role)
    }

    /// Whether a certificate is the only second factor of whoever has `role`.
    pub fn needs_certificate(&self, role: &str) -> bool {
        covers(&self.certificate, role)
    }
}

fn administers(roles: &[String]) -> bool {
    roles.iter().any(|role| role.starts_with(ADMINISTRATORS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dj_12_administrators_are_where_they_should_be() {
        let policy = SessionPolicy {
            administrator_networks: vec!["10.1.0.0/16".parse().unwrap(), "::1".parse().unwrap()],
            ..SessionPolicy::default()
        };
        let (operator, officer) = (["platform.operator".into()], ["bank.officer".into()]);
        for (address, inside) in [
            ("10.1.2.3", true),
            ("::ffff:10.1.2.3", true),
            ("::1", true),
            ("10.2.0.1", false),
            ("2001:db8::1", false),
            ("", false),
            ("10.1.2.3, 10.2.0.1", false),
        ] {
            assert_eq!(policy.admits(&operator, address), inside, "{address}");
            assert!(policy.admits(&officer, address), "{address}");
            assert!(
                SessionPolicy::default().admits(&operator, address),
                "{address}"
            );
        }
    }
}
