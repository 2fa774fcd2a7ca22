//! What the module `access` declares of certificates of nodes and publishers.

use kernel_crypto::ca::LONGEST_REQUEST;
use sdk_contract::def::{
    ActionDef, Area, ChoiceDef, CollectionDef, FieldDef, FlowDef, Label, PageDef, PermissionDef,
    Shard, Tone, TransitionDef,
};
use sdk_contract::kind::Kind;

use crate::apps::declare::{field, granted, required};
use crate::module::{AUDITOR, OPERATOR, SECURITY, options};

/// Name of the collection.
pub const CERTIFICATES: &str = "certificates";

const PURPOSE: &str = "certificate-purpose";
const STATUS: &str = "certificate-status";
/// Longest time that a certificate holds (CA/Browser Forum, 6.3.2, for servers).
const MOST_DAYS: i64 = 825;

fn inside(name: &str, zh: &str, en: &str, kind: Kind) -> FieldDef {
    FieldDef::new(name, Label::new(zh, en), kind)
}

/// What is asked for and kept as it was asked.
fn told() -> Vec<FieldDef> {
    let text = |max| Kind::Text { max };
    vec![
        required(field("name", "名称", "Name", text(60))),
        required(field("holder", "持有单位", "Holder", text(60))),
        required(field(
            "purpose",
            "用途",
            "Purpose",
            Kind::Choice { of: PURPOSE.into() },
        )),
        required(field(
            "days",
            "有效天数",
            "Days",
            Kind::Integer {
                min: Some(1),
                max: Some(MOST_DAYS),
            },
        )),
    ]
}

pub(crate) fn collection() -> CollectionDef {
    let text = |max| Kind::Text { max };
    let mut fields = told();
    fields.extend([
        required(field(
            "status",
            "状态",
            "Status",
            Kind::Choice { of: STATUS.into() },
        )),
        required(inside("key", "公钥", "Public key", text(400))),
        inside("asked_by", "申请人", "Asked by", text(64)),
        inside("certificate", "证书", "Certificate", text(4_000)),
        field("serial", "序列号", "Serial number", text(16)),
        field("expires_at", "有效期至", "Expires", Kind::Datetime),
        field("ended_at", "吊销时间", "Revoked", Kind::Datetime),
    ]);
    CollectionDef {
        audited: true,
        attested: true,
        indexes: vec![vec!["status".into(), "purpose".into()]],
        ..CollectionDef::new(
            CERTIFICATES,
            "certificate",
            Label::new("节点与发布者证书", "Certificates of nodes and publishers"),
            Shard::Reference,
            fields,
        )
    }
}

pub(crate) fn choices() -> [ChoiceDef; 2] {
    [
        options(
            PURPOSE,
            Label::new("证书用途", "Purpose of a certificate"),
            &[
                ("node", "节点（双向认证）", "Node", Tone::Info),
                (
                    "publisher",
                    "插件发布者",
                    "Publisher of plugins",
                    Tone::Info,
                ),
            ],
        ),
        options(
            STATUS,
            Label::new("证书状态", "Status of a certificate"),
            &[
                ("pending", "待批准", "Pending", Tone::Warning),
                ("active", "有效", "Active", Tone::Success),
                ("revoked", "已吊销", "Revoked", Tone::Danger),
                ("dropped", "已撤销申请", "Dropped", Tone::Neutral),
            ],
        ),
    ]
}

pub(crate) fn flow() -> FlowDef {
    let step = |verb: &str, from: &str, to: &str| TransitionDef {
        action: format!("certificate.{verb}"),
        from: vec![from.into()],
        to: to.into(),
    };
    FlowDef {
        collection: CERTIFICATES.into(),
        field: "status".into(),
        initial: vec!["pending".into()],
        transitions: vec![
            step("issue", "pending", "active"),
            step("drop", "pending", "dropped"),
            step("revoke", "active", "revoked"),
        ],
    }
}

pub(crate) fn actions() -> Vec<ActionDef> {
    let action = |verb: &str, label: Label, input: Vec<FieldDef>| ActionDef {
        name: format!("certificate.{verb}"),
        label,
        help: String::new(),
        collection: CERTIFICATES.into(),
        record: verb != "request",
        permission: format!("certificate.{verb}"),
        step_up: verb == "issue",
        signed: false,
        purpose: None,
        input,
    };
    let mut asked = told();
    let most = u32::try_from(LONGEST_REQUEST).unwrap_or(u32::MAX);
    asked.push(FieldDef {
        help: "PKCS#10 证书申请，PEM（BEGIN CERTIFICATE REQUEST），由 SM2 密钥签名".into(),
        ..required(inside(
            "request",
            "证书申请",
            "Request",
            Kind::Text { max: most },
        ))
    });
    let reason = required(inside("reason", "原因", "Reason", Kind::Text { max: 200 }));
    vec![
        action("request", Label::new("申请证书", "Ask for"), asked),
        action("issue", Label::new("批准并签发", "Issue"), Vec::new()),
        action("drop", Label::new("撤销申请", "Drop"), Vec::new()),
        action("revoke", Label::new("吊销证书", "Revoke"), vec![reason]),
    ]
}

pub(crate) fn pages() -> Vec<PageDef> {
    let page = |path: &str, label: Label, area: Area, permission: &str| PageDef {
        path: format!("/access/certificates{path}"),
        label,
        icon: "certificate".into(),
        area,
        order: 911,
        permission: permission.into(),
    };
    vec![
        page(
            "",
            Label::new("节点与发布者证书", "Certificates"),
            Area::Bench,
            "certificate.read",
        ),
        page(
            "/new",
            Label::new("申请证书", "Ask for a certificate"),
            Area::None,
            "certificate.request",
        ),
        page(
            "/{id}",
            Label::new("证书详情", "Certificate"),
            Area::None,
            "certificate.read",
        ),
    ]
}

/// Whoever runs the platform asks; whoever guards it grants; either may take one back.
pub(crate) fn permissions() -> Vec<PermissionDef> {
    let list: [(&str, &str, &str, &[&str]); 5] = [
        (
            "certificate.read",
            "查看节点与发布者证书",
            "Read certificates",
            &[OPERATOR, SECURITY, AUDITOR],
        ),
        (
            "certificate.request",
            "申请节点与发布者证书",
            "Ask for certificates",
            &[OPERATOR],
        ),
        (
            "certificate.issue",
            "签发节点与发布者证书",
            "Issue certificates",
            &[SECURITY],
        ),
        (
            "certificate.drop",
            "撤销证书申请",
            "Drop requests",
            &[OPERATOR, SECURITY],
        ),
        (
            "certificate.revoke",
            "吊销节点与发布者证书",
            "Revoke certificates",
            &[OPERATOR, SECURITY],
        ),
    ];
    granted(&list)
}
