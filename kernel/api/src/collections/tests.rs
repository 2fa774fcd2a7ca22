use super::*;

#[test]
fn a_body_that_is_not_json_is_refused() {
    let mut headers = HeaderMap::new();
    assert_eq!(json_body(&headers, b"").unwrap(), json!({}));
    assert_eq!(
        json_body(&headers, b"{}").unwrap_err().code,
        "unsupported-media-type"
    );
    headers.insert(
        CONTENT_TYPE,
        "application/json; charset=utf-8".parse().unwrap(),
    );
    assert_eq!(json_body(&headers, b"{\"a\":1}").unwrap(), json!({"a": 1}));
    assert_eq!(json_body(&headers, b"{").unwrap_err().code, "bad-json");
}

#[test]
fn an_answer_says_where_a_person_would_go() {
    let reply = Reply {
        result: json!({"id": "1"}),
        outcome: Some(Outcome::go("/shop/things/1", "好")),
        ..Reply::default()
    };
    assert_eq!(
        answer(&reply),
        json!({"result": {"id": "1"}, "path": "/shop/things/1"})
    );
}
