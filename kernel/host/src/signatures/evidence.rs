//! A signature packed so that anybody can check it with `openssl`.

use std::io::{Cursor, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sdk_contract::error::Fault;
use serde_json::{Map, Value};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::{Kept, Stamp};
use crate::values::word;

/// The standard's identity of a signer.
const IDENTITY: &str = "1234567812345678";

/// A member's bytes, packed in base64.
pub(super) fn unpacked(of: &Map<String, Value>, name: &str) -> Option<Vec<u8>> {
    STANDARD.decode(word(of, name)).ok()
}

/// PEM of the certificates between a person's and its root, the nearest first, where an authority outside
/// issued it.
pub(super) fn between(own: &Map<String, Value>) -> Option<impl Iterator<Item = &str>> {
    let all = own.get("between")?.as_array()?;
    Some(all.iter().filter_map(Value::as_str))
}

/// The field that a disclosure is of.
pub(super) fn disclosed_field(text: &str) -> String {
    let parts: Value = serde_json::from_str(text).unwrap_or_default();
    let name = parts.get(1).and_then(Value::as_str);
    name.unwrap_or_default().to_owned()
}

/// Its value.
pub(super) fn disclosed_value(text: &str) -> Option<Value> {
    let parts: Value = serde_json::from_str(text).ok()?;
    parts.get(2).cloned()
}

/// The zip file. `fields` are the guarded fields that its reader sees: names and disclosures.
pub(super) fn pack(
    kept: &Kept,
    key: &str,
    stamp: Option<&Stamp>,
    fields: &[(String, String)],
) -> Result<Vec<u8>, Fault> {
    let mut files: Vec<(String, Vec<u8>)> = vec![
        ("platform/message.json".into(), kept.message()),
        (
            "platform/signature.der".into(),
            kept.signed.signature.clone(),
        ),
        ("platform/key.pem".into(), key.as_bytes().to_vec()),
    ];
    let own = kept.row.get("own").and_then(Value::as_object);
    let mut steps = String::new();
    if let Some(own) = own {
        let signature = unpacked(own, "signature").unwrap_or_default();
        let text = word(own, "text").as_bytes().to_vec();
        let mut member = |name: &str, bytes: Vec<u8>| files.push((name.to_owned(), bytes));
        if own.contains_key("key") {
            member("call/message.txt", text);
            member("call/signature.der", signature);
            member("call/key.pem", word(own, "key").as_bytes().to_vec());
            member("call/body", unpacked(own, "body").unwrap_or_default());
            steps.push_str(CALL);
        } else {
            let bytes = |name: &str| word(own, name).as_bytes().to_vec();
            member("own/message.txt", text);
            member("own/signature.der", signature);
            member("own/content.json", bytes("content"));
            member("own/certificate.pem", bytes("certificate"));
            member("own/root.pem", bytes("root"));
            let mut chain = String::new();
            if let Some(between) = between(own) {
                let mut below = "certificate".to_owned();
                for (at, pem) in (1..).zip(between) {
                    let issuer = format!("issuer-{at}");
                    member(&format!("own/{issuer}.pem"), pem.as_bytes().to_vec());
                    chain.push_str(&step(&issuer, &below));
                    below = issuer;
                }
                chain.push_str(&step("root", &below));
            } else {
                chain.push_str(ISSUED);
            }
            steps.push_str(&OWN.replace("CHAIN\n", &chain));
        }
    } else {
        steps.push_str(WITNESSED);
    }
    for (name, text) in fields {
        files.push((format!("fields/{name}.json"), text.as_bytes().to_vec()));
    }
    if !fields.is_empty() {
        steps.push_str(FIELDS);
    }
    if let Some(stamp) = stamp {
        let (answer, root) = (stamp.answer(), word(&stamp.row, "root"));
        files.push(("timestamp/timestamp.tsr".into(), answer));
        files.push(("timestamp/root.pem".into(), root.as_bytes().to_vec()));
        steps.push_str(STAMP);
    }
    let seconds = (kept.signed.at / 1_000_000).to_string();
    let read_me = format!("{PLATFORM}{steps}")
        .replace("IDENTITY", IDENTITY)
        .replace("SECONDS", &seconds);
    files.insert(0, ("README.txt".into(), read_me.into_bytes()));
    zipped(&files).ok_or_else(|| Fault::internal("签名文件无法生成"))
}

fn zipped(files: &[(String, Vec<u8>)]) -> Option<Vec<u8>> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    for (name, bytes) in files {
        zip.start_file(name.as_str(), options).ok()?;
        zip.write_all(bytes).ok()?;
    }
    Some(zip.finish().ok()?.into_inner())
}

const PLATFORM: &str = "\
签名文件 · 核验步骤
====================

以下命令用 OpenSSL 3 核验，无须联网，也无须平台参与。签名算法为 SM2（GB/T 32918）与 SM3（GB/T 32905），
签名者标识为 IDENTITY。

1. 平台的签名

   openssl dgst -sm3 -verify platform/key.pem -sigopt distid:IDENTITY \\
     -signature platform/signature.der platform/message.json

   应显示 Verified OK。platform/message.json 就是被签名的内容：谁（by）、何时（content.time；at 为同一时间，
   单位微秒）、做了什么（action、input）、怎样确认是本人（known）、办理之后记录是怎样的（records）。
   guarded 中是受限字段的摘要。platform/key.pem 是平台的签名公钥，请与平台
   另行提供的公钥核对（平台方以 rongqiao keys export-public certificate 导出）。
";

/// A certificate under the root that issued it.
const ISSUED: &str = "\
\u{20}  openssl verify -CAfile own/root.pem -vfyopt distid:IDENTITY -attime SECONDS own/certificate.pem
";

/// A certificate under its issuer: openssl gives the signer's identity to the last certificate only, so
/// each is checked by itself.
fn step(issuer: &str, below: &str) -> String {
    format!(
        "   openssl verify -partial_chain -CAfile own/{issuer}.pem -vfyopt distid:IDENTITY \\\n     \
         -attime SECONDS own/{below}.pem\n"
    )
}

const OWN: &str = "
2. 本人的签名

CHAIN
   openssl x509 -in own/certificate.pem -noout -pubkey > own/key.pem
   openssl dgst -sm3 -verify own/key.pem -sigopt distid:IDENTITY \\
     -signature own/signature.der own/message.txt
   openssl dgst -sm3 own/content.json

   各条 verify 应显示 OK，其后应显示 Verified OK；最后一条的摘要应与 own/message.txt 的末行相同。own/content.json 是本人在
   办理之前用自己的密钥签名的内容，其中 input 应与 platform/message.json 的 input 相同。
";

const CALL: &str = "
2. 应用的请求签名（RFC 9421）

   openssl dgst -sm3 -verify call/key.pem -sigopt distid:IDENTITY \\
     -signature call/signature.der call/message.txt
   openssl dgst -sm3 -binary call/body | openssl base64

   第一条应显示 Verified OK；第二条应与 call/message.txt 中 content-digest 的值相同。
";

const WITNESSED: &str = "
2. 本人的确认方式

   办理人没有使用数字证书，没有本人密钥的签名；known 写明平台当时怎样确认是本人，由平台的签名作证。
";

const STAMP: &str = "
4. 时间戳（RFC 3161）

   openssl ts -verify -data platform/signature.der -in timestamp/timestamp.tsr \\
     -CAfile timestamp/root.pem
   openssl ts -reply -in timestamp/timestamp.tsr -text

   第一条应显示 Verification: OK：平台之外的时间戳机构证明 platform/signature.der 在 Time stamp 所示的时间已经
   存在。timestamp/root.pem 是平台信任的该机构的根证书，请与机构公布的核对。以 SM2 签名的时间戳，OpenSSL 3 的 ts
   命令不能核验，请用机构提供的工具。
";

const FIELDS: &str = "
3. 受限字段

   openssl dgst -sm3 fields/<序号>-<字段>.json

   摘要应与 platform/message.json 中第 <序号> 条记录（从 0 起）guarded 里该字段的 digest 相同。文件内容依次为
   随机数、字段名、值。
";
