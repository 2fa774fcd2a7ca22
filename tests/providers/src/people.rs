//! Who has an account at the two providers. All of them are made up; the resident id is the example
//! of GB 11643 itself.

use serde_json::{Value, json};

/// Somebody with an account.
pub(crate) struct Person {
    /// What stands in the page's links.
    pub(crate) key: &'static str,
    /// What the page says.
    pub(crate) label: &'static str,
    /// What the provider answers about them.
    pub(crate) answer: Value,
}

fn person(key: &'static str, label: &'static str, answer: Value) -> Person {
    Person { key, label, answer }
}

/// Of 随申办: natural persons.
pub(crate) fn persons() -> Vec<Person> {
    vec![
        person(
            "lin",
            "林知远（已实名）",
            json!({ "sub": "ssb-1001", "name": "林知远", "id_number": "11010519491231002X" }),
        ),
        person(
            "qiao",
            "乔月（未实名）",
            json!({ "sub": "ssb-1002", "name": "乔月" }),
        ),
        person(
            "nameless",
            "没有姓名的账号",
            json!({ "sub": "ssb-1003", "name": "" }),
        ),
    ]
}

/// Of 企业云: people who act for an enterprise.
pub(crate) fn legal_persons() -> Vec<Person> {
    let lin = || json!({ "id": "qyy-7001", "name": "林知远", "number": "11010519491231002X" });
    let qiao = || json!({ "id": "qyy-7002", "name": "乔月" });
    let of = |mut operator: Value, role: &str, corp: [&str; 3]| {
        operator["role"] = json!(role);
        let [code, name, state] = corp;
        json!({ "operator": operator, "corp": { "code": code, "name": name, "state": state } })
    };
    let builder = ["91310104MA90001185", "上海禾汀序建筑工程有限公司", "存续"];
    let spruce = ["91310115MA90090168", "上海云杉智能装备有限公司", "存续"];
    let boat = "上海柏舟济汽车零部件有限公司";
    vec![
        person(
            "builder",
            "林知远 · 上海禾汀序建筑工程有限公司（法定代表人）",
            of(lin(), "法定代表人", builder),
        ),
        person(
            "spruce",
            "林知远 · 上海云杉智能装备有限公司（经办人）",
            of(lin(), "经办人", spruce),
        ),
        person(
            "qiao",
            "乔月 · 上海禾汀序建筑工程有限公司（经办人）",
            of(qiao(), "经办人", builder),
        ),
        person(
            "gone",
            "乔月 · 上海柏舟济汽车零部件有限公司（已注销）",
            of(qiao(), "经办人", ["91310104MA90002491", boat, "注销"]),
        ),
        person(
            "late",
            "乔月 · 上海柏舟济汽车零部件有限公司（企业云尚未更新）",
            of(qiao(), "经办人", ["91310104MA90002491", boat, "存续"]),
        ),
        person(
            "digit",
            "乔月 · 代码校验位不符的企业",
            of(
                qiao(),
                "经办人",
                ["91310104MA90090246", "上海某某有限公司", "存续"],
            ),
        ),
    ]
}
