//! A question and its answer, through what the plugin declares.

use sdk::contract::error::FaultKind;
use sdk::contract::page::check;
use sdk::serde_json::json;
use sdk_testkit::{World, scenario};

#[scenario([plugin_{{ident}}::module()])]
fn a_question_is_answered_and_closed(t: &World) {
    let (owner, operator) = (t.user("enterprise"), t.user("operator"));
    check(&owner.page("/{{id}}/tickets").unwrap()).unwrap();

    let question = json!({ "title": "利率", "question": "怎样申请优惠利率？" });
    let asked = owner.act("{{id}}.ticket.ask", None, question).unwrap();
    let id = asked["id"].as_str().unwrap();
    let path = format!("/{{id}}/tickets/{id}");
    assert_eq!(operator.page("/{{id}}/desk").unwrap().blocks().count(), 1);
    assert!(operator.page(&path).unwrap().form("answer").is_some());

    let answer = json!({ "answer": "请先完成认证。" });
    operator
        .act("{{id}}.ticket.answer", Some(id), answer.clone())
        .unwrap();
    let stored = owner.get("{{id}}.tickets", id).unwrap();
    assert_eq!(
        (&stored["status"], &stored["answer"]),
        (&json!("answered"), &answer["answer"])
    );
    let again = operator.act("{{id}}.ticket.answer", Some(id), answer);
    assert_eq!(again.unwrap_err().kind, FaultKind::Conflict);

    owner.act("{{id}}.ticket.close", Some(id), json!({})).unwrap();
    check(&owner.page(&path).unwrap()).unwrap();
}

#[scenario([plugin_{{ident}}::module()])]
fn nobody_reads_the_questions_of_another(t: &World) {
    let question = json!({ "title": "利率", "question": "怎样申请优惠利率？" });
    let asked = t.user("enterprise").act("{{id}}.ticket.ask", None, question);
    let id = asked.unwrap()["id"].as_str().unwrap().to_owned();
    let other = t.user("enterprise2").get("{{id}}.tickets", &id);
    assert_eq!(other.unwrap_err().kind, FaultKind::NotFound);
    let short = json!({ "title": "利率", "question": "？" });
    let fault = t.user("enterprise").act("{{id}}.ticket.ask", None, short);
    assert_eq!(fault.unwrap_err().fields[0].field, "question");
}
