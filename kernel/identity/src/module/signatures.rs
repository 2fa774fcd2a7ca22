//! What the signatures over signed actions are declared as. The platform keeps one in the commit of
//! what was done; nobody changes or removes it.

use sdk_contract::def::{CollectionDef, FieldDef, Label, Retention, Shard};
use sdk_contract::kind::Kind;

use super::{SIGNATURES, collection as declared, field, required, secret};

/// Most characters of a document.
pub const MOST_SIGNED: u32 = 400_000;

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
