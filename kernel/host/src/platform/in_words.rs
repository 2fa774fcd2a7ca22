//! The platform's own records as people read them, on its pages and in exports: what they hold as
//! names of roles, permissions, districts and actions is no choice that a field could declare.

use std::collections::BTreeMap;

use kernel_identity::composed::Piece;
use kernel_identity::grants::RoleBook;
use kernel_identity::module::{ACCOUNT, CHANGES, MODULE, ORGANISATIONS};
use sdk_contract::def::Level;
use sdk_contract::page::Choice;
use sdk_contract::scalar::Timestamp;
use serde_json::Value;

use super::choices;
use crate::Host;

/// What no declared action names.
const OWN: [(&str, &str); 8] = [
    ("user.accept-terms", "本人同意用户服务协议"),
    ("user.correct", "本人更正信息"),
    ("user.close", "本人注销账号"),
    ("grant.lapse", "到期自动收回"),
    ("user.suspend", "长期未用，自动停用"),
    ("request.ask-reset", "申请签发密码重置链接"),
    ("request.ask-lift", "申请解除第二重验证"),
    ("request.ask", "申请授予角色"),
];

/// Of an object of a change, what is told and how it is called.
const TOLD: [(&str, &str); 20] = [
    ("name", "名称"),
    ("code", "代码"),
    ("tier", "层级"),
    ("licence", "许可证号"),
    ("region", "所在区"),
    ("status", "状态"),
    ("place", "上级"),
    ("into", "并入"),
    ("below", "转入的下级"),
    ("people", "转入的人员"),
    ("lost", "未转入的角色"),
    ("invitations", "作废的邀请"),
    ("title", "名称"),
    ("role", "角色"),
    ("roles", "角色"),
    ("expires_at", "到期"),
    ("about", "说明"),
    ("permissions", "权限"),
    ("clearance", "数据级别上限"),
    ("ceiling", "权限上限"),
];

pub(crate) struct Words {
    host: Host,
    roles: RoleBook,
    changes: BTreeMap<String, String>,
}

impl Words {
    pub(crate) fn of(host: &Host) -> Self {
        let changes = changes(host).into_iter().rev().map(|c| (c.value, c.label));
        Self {
            roles: host.role_book(),
            changes: changes.collect(),
            host: host.clone(),
        }
    }

    /// A field of one of the module's collections, where it holds names that people do not read.
    pub(crate) fn field(&self, collection: &str, field: &str, value: &Value) -> Option<String> {
        match (collection, field, value) {
            (CHANGES, "what", Value::String(what)) => Some(self.change(what).to_owned()),
            (CHANGES, "before" | "after", Value::Object(_)) => Some(self.told(Some(value))),
            (_, "region" | "roles" | "ceiling" | "permissions", _) => self.part(field, value),
            (_, "role", Value::String(role)) => Some(self.role(role).to_owned()),
            (ORGANISATIONS, "type", Value::String(kind)) => Some(choices::kind(kind).to_owned()),
            _ => None,
        }
    }

    /// What was done, as its action is called.
    pub(super) fn change<'w>(&'w self, what: &'w str) -> &'w str {
        self.changes.get(what).map_or(what, String::as_str)
    }

    /// Before or after, in words.
    pub(super) fn told(&self, value: Option<&Value>) -> String {
        let Some(Value::Object(fields)) = value else {
            return "—".to_owned();
        };
        let part = |(name, label): &(&str, &str)| {
            let text = self.part(name, fields.get(*name)?)?;
            Some(format!("{label}：{text}"))
        };
        let words: Vec<String> = TOLD.iter().filter_map(part).collect();
        if words.is_empty() {
            "—".to_owned()
        } else {
            words.join("；")
        }
    }

    fn part(&self, name: &str, value: &Value) -> Option<String> {
        Some(match (name, value) {
            (_, Value::Null) => return None,
            (_, Value::Array(all)) if all.is_empty() => return None,
            ("invitations", Value::Number(ended)) if ended.as_u64() == Some(0) => return None,
            ("status", Value::String(s)) if s == "closed" => "停用".to_owned(),
            ("status", _) => "正常".to_owned(),
            ("region", Value::String(code)) => choices::region(&self.host, Some(code)).to_owned(),
            ("expires_at", Value::String(at)) => at
                .parse::<Timestamp>()
                .map_or_else(|_| at.clone(), Timestamp::local_minute),
            ("permissions", Value::Array(all)) => {
                let all = all.iter().filter_map(Value::as_str);
                let said = all.map(|text| self.piece(text).unwrap_or_else(|| text.to_owned()));
                said.collect::<Vec<_>>().join("、")
            }
            (_, Value::Array(all)) => {
                let all = all.iter().filter_map(Value::as_str);
                all.map(|r| self.role(r)).collect::<Vec<_>>().join("、")
            }
            ("clearance", Value::String(name)) => {
                let level = Level::parse(name).map(choices::level);
                level.unwrap_or(name).to_owned()
            }
            (_, Value::String(text)) if text.is_empty() => return None,
            (_, Value::String(text)) => text.clone(),
            (_, other) => other.to_string(),
        })
    }

    fn role<'w>(&'w self, name: &'w str) -> &'w str {
        self.roles.get(name).map_or(name, String::as_str)
    }

    fn piece(&self, text: &str) -> Option<String> {
        let piece = Piece::parse(text)?;
        let declared = choices::declared(&self.host, &piece.module, &piece.permission);
        let label = declared.map_or_else(|| piece.permission.clone(), |(_, p)| p.label.zh);
        let reach = choices::scope(piece.scope);
        Some(match choices::without(&self.host, &piece).as_str() {
            "" => format!("{label}（{reach}）"),
            without => format!("{label}（{reach}，隐去{without}）"),
        })
    }
}

/// Whatever may have been done about organisations and access.
pub(super) fn changes(host: &Host) -> Vec<Choice> {
    let catalog = host.catalog();
    let actions = catalog.modules.get(MODULE).map(|m| m.def.actions.clone());
    let ours = [
        "organisation.",
        "post.",
        "role.",
        "invitation.",
        "user.",
        "reset.",
        "claim.",
    ];
    let declared = actions
        .unwrap_or_default()
        .into_iter()
        .filter(|a| ours.iter().any(|o| a.name.starts_with(o)) && a.permission != ACCOUNT)
        .map(|a| Choice::new(a.name, a.label.zh));
    let own = OWN.map(|(name, words)| Choice::new(name, words));
    declared.chain(own).collect()
}
