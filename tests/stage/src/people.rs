//! The demo city's staff, as they are after signing in.

use anyhow::{Context as _, Result};
use kernel_identity::demo::Demo;
use kernel_identity::principal::Principal;

const DEMO: &str = include_str!("../../../host-config/demo.toml");

/// Somebody with this role, of this organisation if it matters.
pub(crate) fn with_role(role: &str, organisation: Option<&str>) -> Result<Principal> {
    let city: Demo = toml::from_str(DEMO)?;
    let user = city.users.into_iter().find(|user| {
        user.roles.iter().any(|r| r == role)
            && organisation.is_none_or(|wanted| user.organisation == wanted)
    });
    let user = user.with_context(|| format!("the demo city has no {role} of {organisation:?}"))?;
    let own = city
        .organisations
        .into_iter()
        .find(|o| o.id == user.organisation)
        .context("a demo user has an organisation")?;
    Ok(Principal {
        user: Some(user.id),
        login: user.login,
        name: user.name,
        roles: user.roles,
        organisations: vec![own.id.clone()],
        organisation: Some(own.id),
        organisation_name: own.name,
        request: "stage".into(),
        ..Principal::anonymous()
    })
}
