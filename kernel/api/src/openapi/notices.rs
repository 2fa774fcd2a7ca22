//! What people were told, as their programs read it.

use serde_json::{Map, Value, json};

use super::{guarded, json_content, object, operation, parameter, put, uuid, with_problems};

pub(super) fn paths() -> Map<String, Value> {
    let both = object(&[
        ("zh", json!({ "type": "string" })),
        ("en", json!({ "type": "string" })),
    ]);
    let notice = object(&[
        ("id", uuid()),
        ("at", json!({ "type": "string", "format": "date-time" })),
        ("title", both.clone()),
        ("text", both),
        (
            "path",
            json!({ "type": "string", "description": "of the page it leads to" }),
        ),
        ("read", json!({ "type": "boolean" })),
    ]);
    let next = json!({ "type": ["string", "null"], "description": "`before` of the older ones" });
    let found = object(&[
        ("items", json!({ "type": "array", "items": notice })),
        ("next", next),
    ]);
    let answer = |what: &str, schema: &Value| {
        let answer = json!({ "description": what, "content": json_content(schema) });
        with_problems(&answer, "200")
    };
    let mut list = operation("notices.list", "站内信", &answer("newest first", &found));
    let size = json!({ "type": "integer", "minimum": 1, "maximum": 99 });
    let asked = json!([
        parameter("query", "before", false, &uuid()),
        parameter("query", "size", false, &size),
    ]);
    put(&mut list, "parameters", asked);
    let count = object(&[
        ("unread", json!({ "type": "integer", "maximum": 99 })),
        (
            "more",
            json!({ "type": "boolean", "description": "there are more than that" }),
        ),
    ]);
    let unread = operation(
        "notices.unread",
        "未读站内信数",
        &answer("as far as they are counted", &count),
    );
    let opened = object(&[("path", json!({ "type": "string" }))]);
    let mut read = guarded(operation(
        "notices.read",
        "标记站内信为已读",
        &answer("where it leads", &opened),
    ));
    put(
        &mut read,
        "parameters",
        json!([parameter("path", "id", true, &uuid())]),
    );
    let all = object(&[("read", json!({ "type": "integer" }))]);
    let read_all = guarded(operation(
        "notices.read-all",
        "标记全部站内信为已读",
        &answer("how many were not", &all),
    ));
    let mut paths = Map::new();
    let base = "/api/v1/notices";
    paths.insert(base.into(), json!({ "get": list }));
    paths.insert(format!("{base}/unread"), json!({ "get": unread }));
    paths.insert(format!("{base}/read"), json!({ "post": read_all }));
    paths.insert(format!("{base}/{{id}}/read"), json!({ "post": read }));
    paths
}
