//! How the description says that passwords may come sealed.

use kernel_identity::module::PASSWORDS;
use serde_json::{Value, json};

use super::{json_content, object, operation, parameter, with_problems};

/// What somebody signs in with.
pub(super) fn credentials() -> Value {
    let with = |name: &str, password: &Value| {
        json!({
            "type": "object",
            "required": ["login", name],
            "properties": {
                "login": { "type": "string" },
                name: password,
                "code": { "type": ["string", "null"], "description": "of the second factor" },
            },
            "additionalProperties": false,
        })
    };
    let clear = json!({ "type": "string", "description": "not with `in_clear = \"none\"`" });
    json!({ "oneOf": [with("password", &clear), with("sealed_password", &sealed())] })
}

fn sealed() -> Value {
    json!({
        "type": "string",
        "contentEncoding": "base64",
        "description": "SM2Cipher in DER (GB/T 35276) over `{\"for\", \"nonce\", \"fields\"}`; docs/api.md \
                        has a runnable example with openssl",
    })
}

/// The same of an action that takes passwords: they come one by one, or all of them sealed.
pub(super) fn action(module: &str, input: &mut Value) {
    let takes = |name: &Value| name.as_str().is_some_and(|name| PASSWORDS.contains(&name));
    if module != kernel_identity::module::MODULE {
        return;
    }
    let Some(required) = input.get_mut("required").and_then(Value::as_array_mut) else {
        return;
    };
    let before = required.len();
    required.retain(|name| !takes(name));
    if required.len() < before
        && let Some(properties) = input.get_mut("properties").and_then(Value::as_object_mut)
    {
        properties.insert("sealed_password".into(), sealed());
    }
}

/// Where the nonce and the key come from.
pub(super) fn path() -> Value {
    let text = |text: &str| json!({ "type": "string", "description": text });
    let answer = object(&[
        ("key", text("SubjectPublicKeyInfo in PEM")),
        (
            "nonce",
            text("goes into what is sealed as it is; good once, for five minutes"),
        ),
        ("for", text("as it was asked for")),
    ]);
    let answer = json!({ "description": "what passwords are sealed with", "content": json_content(&answer) });
    let path = text("the path that the password will be sent to");
    let mut get = operation(
        "session.seal",
        "加密密码所需的公钥与一次性随机数",
        &with_problems(&answer, "200"),
    );
    super::put(&mut get, "security", json!([{}]));
    super::put(
        &mut get,
        "parameters",
        json!([parameter("query", "for", true, &path)]),
    );
    json!({ "get": get })
}
