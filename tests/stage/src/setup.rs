//! What is there before the scenario begins: its plugins, switched on, and its live models.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use kernel_host::{Act, Host};
use kernel_identity::principal::Principal;
use sdk_contract::call::Reply;
use sdk_contract::query::{MAX_LIMIT, Query};
use serde_json::{Value, json};

use crate::people;

/// Where guests are: those of the product, and those for tests alone.
const FOLDERS: [&str; 2] = ["plugins", "test-plugins"];

/// A plugin folder with the chosen ones and no others.
pub(crate) fn plugins(guests: &Path, chosen: &[String], data: &Path) -> Result<PathBuf> {
    let folder = data.join("plugins");
    std::fs::create_dir(&folder)?;
    for name in chosen {
        let place = FOLDERS
            .iter()
            .map(|of| guests.join(of).join(name))
            .find(|place| place.join("component.wasm").is_file())
            .with_context(|| format!("{name} is not built; run ./x guests"))?;
        std::os::unix::fs::symlink(std::path::absolute(place)?, folder.join(name))?;
    }
    Ok(folder)
}

/// Switches every edition on everywhere: in production an operator does.
pub(crate) async fn editions(host: &Host) -> Result<()> {
    let operator = people::with_role("platform.operator", None)?;
    let query = Query::new("console.plugins").limit(MAX_LIMIT);
    for row in host.find(&operator, query).await?.records {
        let code = row.get("code").and_then(Value::as_str).unwrap_or_default();
        let edition = host
            .catalog()
            .modules
            .get(code)
            .is_some_and(|module| module.is_edition());
        if edition {
            let id = row.get("id").and_then(Value::as_str);
            console(host, &operator, "plugin.enable", id, json!({})).await?;
        }
    }
    Ok(())
}

/// Brings models live the way people do: one uploads, another of the same bank approves.
pub(crate) async fn models(host: &Host, guests: &Path, wanted: &[String]) -> Result<()> {
    for one in wanted {
        let Some((bank, model)) = one.split_once('=') else {
            bail!("{one} is not <organisation>=<model>");
        };
        let developer = people::with_role("model.developer", Some(bank))?;
        let validator = people::with_role("model.validator", Some(bank))?;
        let path = guests.join("models").join(model).with_extension("wasm");
        let wasm = std::fs::read(&path)
            .with_context(|| format!("{} is not built; run ./x guests", path.display()))?;
        let file = host
            .store_upload(&developer, &format!("{model}.wasm"), wasm)
            .await?;
        let input = json!({ "file": file });
        let uploaded = console(host, &developer, "model.upload", None, input).await?;
        let id = uploaded.result.get("id").and_then(Value::as_str);
        let until = host.clock().now().local_date().plus_days(365);
        let validation = json!({
            "data": "金样例与留出集", "findings": "复算一致，入模变量合规",
            "conclusion": "conditional", "valid_until": until,
        });
        console(host, &validator, "model.validate", id, validation).await?;
        let reason = json!({ "reason": "样例一致，留出集指标达标" });
        console(host, &validator, "model.approve", id, reason).await?;
    }
    Ok(())
}

async fn console(
    host: &Host,
    by: &Principal,
    action: &str,
    id: Option<&str>,
    input: Value,
) -> Result<Reply> {
    let act = Act {
        module: "console".into(),
        action: action.into(),
        id: id.map(str::to_owned),
        input,
        ..Act::default()
    };
    Ok(host.act(by, act).await?)
}
