//! What the signatures over signed actions are declared as. The platform keeps one in the commit of
//! what was done; nobody changes or removes it.

use sdk_contract::def::{CollectionDef, FieldDef, Label, Level, Retention, Shard};
use sdk_contract::kind::Kind;

use super::{SIGNATURES, TIMESTAMPS, collection as declared, field, required, secret};

/// Most characters of a document.
pub const MOST_SIGNED: u32 = 400_000;
/// Most characters of a time stamp in base64, and of a certificate beside it in PEM.
pub const MOST_STAMP: u32 = 100_000;

pub(super) fn collection() -> CollectionDef {
    let fixed = |name: &str, label: Label, kind: Kind| FieldDef {
        frozen: true,
        ..required(name, label, kind)
    };
    let text = |name: &str, zh: &str, en: &str, max: u32| {
        fixed(name, Label::new(zh, en), Kind::Text { max })
    };
    // What is in them is the record's, so it is read with the record only.
    let kept = |name: &str, label: Label, kind: Kind| FieldDef {
        frozen: true,
        level: Some(Level::L3),
        ..secret(name, label, kind)
    };
    CollectionDef {
        // It proves what was done for as long as anybody may contest it.
        retention: Some(Retention::standing("证明谁在何时以何内容作出决定或签署")),
        indexes: vec![vec!["record".into(), "created_at".into()]],
        ..declared(
            SIGNATURES,
            (
                "signature",
                Label::new("签名", "Signatures"),
                "session.read",
            ),
            Shard::Aggregate,
            vec![
                text("collection", "记录类别", "Collection", 120),
                text("record", "记录", "Record", 64),
                text("action", "操作", "Action", 120),
                text("digest", "摘要", "Digest", 64),
                text("way", "确认方式", "How the person was known", 16),
                FieldDef {
                    frozen: true,
                    ..field(
                        "serial",
                        Label::new("证书序列号", "Serial number"),
                        Kind::Text { max: 40 },
                    )
                },
                kept(
                    "document",
                    Label::new("签名内容", "Document"),
                    Kind::Text { max: MOST_SIGNED },
                ),
                fixed("signature", Label::new("签名值", "Signature"), Kind::Json),
                kept(
                    "own",
                    Label::new("本人的签名", "The person's own"),
                    Kind::Json,
                ),
                kept(
                    "disclosures",
                    Label::new("受限字段", "Guarded fields"),
                    Kind::Json,
                ),
            ],
        )
    }
}

/// What an authority outside said of when a signature was there. A row is written with the signature,
/// and gets the stamp once; without one it says when the authority is asked next.
pub(super) fn timestamps() -> CollectionDef {
    let text = |name: &str, zh: &str, en: &str, max: u32| {
        field(name, Label::new(zh, en), Kind::Text { max })
    };
    CollectionDef {
        retention: Some(Retention::standing(
            "证明签名在该时间已经存在，与签名一同保存",
        )),
        indexes: vec![vec!["due_at".into()]],
        ..declared(
            TIMESTAMPS,
            (
                "timestamp",
                Label::new("时间戳", "Time stamps"),
                "session.read",
            ),
            Shard::Aggregate,
            vec![
                FieldDef {
                    frozen: true,
                    unique: true,
                    ..required(
                        "signature",
                        Label::new("签名", "Signature"),
                        Kind::Text { max: 64 },
                    )
                },
                // Empty once there is a stamp.
                field(
                    "due_at",
                    Label::new("下次请求时间", "Asked next"),
                    Kind::Datetime,
                ),
                required(
                    "attempts",
                    Label::new("已请求次数", "Attempts"),
                    Kind::Integer {
                        min: Some(0),
                        max: None,
                    },
                ),
                text("why", "未加盖的原因", "Why there is none", 200),
                field("at", Label::new("时间戳时间", "Time"), Kind::Datetime),
                text("authority", "时间戳机构", "Authority", 400),
                text("root", "信任的证书", "Trusted certificate", MOST_STAMP),
                text("stamp", "时间戳", "Time stamp", MOST_STAMP),
            ],
        )
    }
}
