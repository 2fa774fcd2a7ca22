//! Clearances as people and programs meet them: what is of a level above what somebody's roles are
//! cleared for is masked wherever it stands, and no permission, reason or second person shows it.

#![expect(
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use serde_json::{Value, json};
use tests_http::database::Database;
use tests_http::steps::{BANK, designed, exported, recorded, text};
use tests_http::{Answer, Built, Client, Server, Start};

const CASES: &str = "/api/v1/data/cases";
const LOANS: &str = "/api/v1/example/loans";
const PHONE: &str = "13800001234";
const RECORD: &str = "ZX-0093-4711";
const TAX: &str = "91310115MA1K4TAX93";
const OWED: &str = "7654321.00";

fn on_each_engine(test_plugins: bool, story: impl Fn(Server)) {
    let start = |database| {
        let built = Built::find()?;
        Server::start_as(Start {
            plugins: test_plugins.then(|| built.guests.join("test-plugins")),
            database,
            ..Start::default()
        })
    };
    if let Some(server) = start(None) {
        story(server);
    }
    if let Some(database) = Database::create("clearances")
        && let Some(server) = start(Some(database))
    {
        story(server);
    }
}

/// A table that officials keep, so that its sensitive fields are revealed to them: they are cleared for
/// L3 in the demo city, the operator for L4.
fn cases(server: &Server) -> String {
    let table = json!({
        "name": "cases", "purpose": "处理征信异议", "label": "征信异议", "title_name": "name", "title_label": "名称",
        "scope": "all", "readers": [], "writers": ["government.official"],
    });
    let field = |name: &str, kind: &str, level: &str| json!({ "name": name, "label": name, "kind": kind, "level": level, "list": true });
    let fields = [
        field("phone", "text", "L3"),
        field("record", "text", "L4"),
        field("owed", "money", "L4"),
    ];
    designed(server, &table, &fields);
    let mut operator = server.user("operator");
    let row = json!({
        "name": "上海澄湖食品", "phone": PHONE, "record": RECORD, "owed": OWED,
    });
    let made = operator.post(&format!("{CASES}/create"), &row);
    assert_eq!(made.status, 200, "{}", made.body);
    text(&made.body["result"]["id"])
}

/// Neither value of level L4 is in it, however it is written.
fn conceals(place: &str, words: &str) {
    for part in [RECORD, "7654321", "7,654,321"] {
        assert!(!words.contains(part), "{place}: {words}");
    }
}

fn clearance_needed(answer: &Answer, level: &str) {
    assert_eq!(
        (answer.status, answer.code()),
        (403, "clearance-needed"),
        "{}",
        answer.body
    );
    assert!(answer.body.to_string().contains(level), "{}", answer.body);
}

/// The clause's own case: to the officials' role the values are revealed.
#[test]
fn dj_08_a_role_cleared_for_l3_is_refused_what_is_l4_though_it_is_granted() {
    on_each_engine(false, |server| {
        let id = cases(&server);
        let (operator, mut official) = (server.user("operator"), server.user("government"));
        let one = format!("{CASES}/{id}");
        let clear = operator.get(&one).body;
        assert_eq!(clear["record"], RECORD);
        assert_eq!(clear["owed"], OWED);

        for (place, seen) in [
            ("list", official.get(CASES).body["items"][0].clone()),
            ("record", official.get(&one).body),
        ] {
            assert_eq!(seen["phone"], PHONE, "{place}: L3 is within the clearance");
            assert_eq!(seen["record"], "****", "{place}");
            assert_eq!(seen["owed"], Value::Null, "{place}");
            conceals(place, &seen.to_string());
        }
        for path in ["/data/cases".to_owned(), format!("/data/cases/{id}")] {
            let drawn = official.page(&path);
            assert_eq!(drawn.status, 200, "{path}: {}", drawn.body);
            let drawn = drawn.body.to_string();
            assert!(drawn.contains(PHONE), "{path}: {drawn}");
            conceals(&path, &drawn);
            assert!(operator.page(&path).body.to_string().contains(RECORD));
        }
        let history = official.get(&format!("{one}/history"));
        assert_eq!(history.status, 200, "{}", history.body);
        conceals("history", &history.body.to_string());

        // It is not asked about either, nor sorted, counted or summed by.
        for asked in [
            "sort=owed".to_owned(),
            "owed.min=1.00".to_owned(),
            format!("record={RECORD}"),
            "facets=record".to_owned(),
            format!("as_of=2030-01-01T00:00:00Z&record={RECORD}"),
        ] {
            let refused = official.get(&format!("{CASES}?{asked}"));
            assert_eq!(refused.status, 400, "{asked}: {}", refused.body);
        }
        let found = official.get(&format!("{CASES}?q={RECORD}"));
        assert_ne!(found.body["total"], 1, "{}", found.body);

        // A look, and a file of it.
        for field in ["record", "owed"] {
            let ask = json!({ "field": field, "reason": "异议核查" });
            clearance_needed(&official.post(&format!("{one}/look"), &ask), "L4");
        }
        let refused = format!("what=field.look&object={id}&outcome=refused");
        assert_eq!(recorded(&server, &refused), 2);
        let wanted = json!({ "format": "jsonl", "reason": "核对", "fields": "name,record,owed" });
        let begun = official.post(&format!("{CASES}/export"), &wanted);
        // None of it is in clear, so nobody has to agree.
        assert_eq!(begun.body["result"]["status"], "queued", "{}", begun.body);
        let job = tests_http::steps::over(&official, &begun);
        let path = format!("/api/v1/console/jobs/{}/files/result", text(&job["id"]));
        let file = official.get(&path);
        assert_eq!(file.status, 200, "{}", file.body);
        assert!(file.text().contains("上海澄湖食品"), "{}", file.text());
        conceals("export", file.text());

        // The catalogue says the same of who sees it.
        let classified = server
            .user("security")
            .get("/api/v1/console/classified-fields?size=200");
        let rows = classified.body["items"].as_array().expect("rows").clone();
        let seen_by = |field: &str| {
            let place = json!(format!("data.cases.{field}"));
            let row = rows.iter().find(|row| row["place"] == place);
            text(&row.expect("a row")["seen_by"])
        };
        assert!(seen_by("phone").contains("政府监管"));
        assert!(!seen_by("record").contains("政府监管"));
        assert!(seen_by("record").contains("平台运营"));
    });
}

struct Bank<'s> {
    server: &'s Server,
    admin: Client,
    role: String,
}

/// What a validator, who may do nothing with loans, is made by a composed role of the bank.
impl<'s> Bank<'s> {
    fn with_role(server: &'s Server, clearance: &str) -> Self {
        let mut admin = server.user("bankadmin");
        let made = admin.post(
            &format!("/api/v1/platform/organisations/{BANK}/compose"),
            &wish(clearance),
        );
        assert_eq!(made.status, 200, "{}", made.body);
        let role = text(&made.body["result"]["id"]);
        let session = server.user("validator").get("/api/v1/session").body;
        let user = text(&session["user"]);
        let posts = admin.get(&format!("/api/v1/platform/posts?user={user}"));
        let post = text(&posts.body["items"][0]["id"]);
        let given = admin.post(
            &format!("/api/v1/platform/posts/{post}/grant"),
            &json!({ "role": role, "reason": "复核征信" }),
        );
        assert_eq!(given.status, 200, "{}", given.body);
        let preview = admin.page(&format!("/platform/posts/{post}")).body;
        assert!(preview.to_string().contains(clearance), "{preview}");
        Self {
            server,
            admin,
            role,
        }
    }

    fn cleared(&mut self, clearance: &str) {
        let path = format!("/api/v1/platform/roles/{}/edit", self.role);
        let edited = self.admin.post(&path, &wish(clearance));
        assert_eq!(edited.status, 200, "{}", edited.body);
    }

    fn approve(&mut self, request: &Value) {
        let path = format!("/api/v1/platform/requests/{}/approve", text(request));
        let reason = json!({ "reason": "贷前调查需要" });
        let approved = self.admin.post(&path, &reason);
        assert_eq!(approved.status, 200, "{}", approved.body);
    }

    fn loan(&self) -> String {
        let input = json!({ "number": "HT-7731", "amount": "5", "bank": BANK, "report": RECORD });
        let mut owner = self.server.user("enterprise");
        let made = owner.post(&format!("{LOANS}/request"), &input);
        assert_eq!(made.status, 200, "{}", made.body);
        text(&made.body["result"]["id"])
    }
}

fn wish(clearance: &str) -> Value {
    json!({
        "title": "征信复核", "reason": "试行", "clearance": clearance,
        "permissions": ["example:loan.read@organisation", "example:loan.look@organisation"],
    })
}

#[test]
fn dj_08_a_clearance_lowered_a_second_ago_holds_for_what_was_agreed_to() {
    on_each_engine(true, |server| {
        let mut bank = Bank::with_role(&server, "L3");
        let id = bank.loan();
        let look = format!("{LOANS}/{id}/look");
        let ask = json!({ "field": "report", "reason": "核对征信报告" });
        let mut validator = server.user("validator");
        assert_eq!(validator.get(&format!("{LOANS}/{id}")).status, 200);
        clearance_needed(&validator.post(&look, &ask), "L4");
        // The page offers no look that would be refused.
        let page = format!("/example/loans/{id}");
        let takes_two = |validator: &Client| {
            let drawn = validator.page(&page);
            assert_eq!(drawn.status, 200, "{}", drawn.body);
            drawn.body.to_string().contains("\"takes\"")
        };
        assert!(!takes_two(&validator));

        bank.cleared("L4");
        assert!(takes_two(&validator));
        let asked = validator.post(&look, &ask);
        assert_eq!(asked.status, 202, "{}", asked.body);
        bank.approve(&asked.body["request"]);
        bank.cleared("L3");
        clearance_needed(&validator.post(&look, &ask), "L4");
        bank.cleared("L4");
        let shown = validator.post(&look, &ask);
        assert_eq!(
            (shown.status, &shown.body),
            (200, &json!({ "value": RECORD }))
        );

        // On the role's page and in its history, as people read it.
        let page = bank.admin.page(&format!("/platform/roles/{}", bank.role));
        let page = page.body.to_string();
        for part in ["数据级别上限：L3 敏感", "数据级别上限：L4 高敏"] {
            assert!(page.contains(part), "{part}: {page}");
        }
        let (_, file) = exported(&mut bank.admin, "platform/changes?what=role.edit");
        assert!(file.contains("数据级别上限：L3 敏感"), "{file}");
    });
}

/// An officer elsewhere reads all of a loan; whoever has this role, a loan without two of its fields.
#[test]
fn dj_07_a_composed_role_reads_without_the_fields_that_it_takes_away() {
    on_each_engine(true, |server| {
        let mut owner = server.user("enterprise");
        let input = json!({ "number": "HT-7731", "amount": "5", "bank": BANK, "tax_number": TAX });
        let made = owner.post(&format!("{LOANS}/request"), &input);
        assert_eq!(made.status, 200, "{}", made.body);
        let id = text(&made.body["result"]["id"]);

        let mut admin = server.user("bankadmin");
        let wish = |without: Value| {
            json!({
                "title": "贷后回访", "reason": "试行",
                "permissions": ["example:loan.read@organisation"], "without": without,
            })
        };
        let compose = format!("/api/v1/platform/organisations/{BANK}/compose");
        for wrong in [
            // Not of the permission, not there, what a reader cannot do without, of another.
            "example:letter.read!letters.max_uses",
            "example:loan.read!loans.nothing",
            "example:loan.read!loans.amount",
            "example:loan.read!letters.max_uses",
            "example:loan.read",
            "nonsense",
        ] {
            let refused = admin.post(&compose, &wish(json!([wrong])));
            assert_eq!(refused.status, 400, "{wrong}: {}", refused.body);
            assert_eq!(refused.body["errors"][0]["field"], "without", "{wrong}");
        }
        let taken = ["number", "tax_number"].map(|f| format!("example:loan.read!loans.{f}"));
        let made = admin.post(&compose, &wish(json!(taken)));
        assert_eq!(made.status, 200, "{}", made.body);
        let role = text(&made.body["result"]["id"]);
        let page = admin
            .page(&format!("/platform/roles/{role}"))
            .body
            .to_string();
        assert!(page.contains("税号"), "{page}");
        let mut validator = server.user("validator");
        let user = text(&validator.get("/api/v1/session").body["user"]);
        let posts = admin.get(&format!("/api/v1/platform/posts?user={user}"));
        let post = text(&posts.body["items"][0]["id"]);
        let given = json!({ "role": role, "reason": "回访" });
        let given = admin.post(&format!("/api/v1/platform/posts/{post}/grant"), &given);
        assert_eq!(given.status, 200, "{}", given.body);
        let preview = admin
            .page(&format!("/platform/posts/{post}"))
            .body
            .to_string();
        assert!(preview.contains("税号"), "{preview}");

        let one = format!("{LOANS}/{id}");
        let whole = server.user("officer").get(&one).body;
        assert_eq!(
            (&whole["number"], &whole["tax_number"]),
            (&json!("HT-7731"), &json!(TAX))
        );
        let part = validator.get(&one).body;
        assert_eq!(
            (&part["number"], &part["tax_number"]),
            (&json!("****"), &Value::Null)
        );
        assert_eq!(part["amount"], "5.00");
        for asked in [
            "sort=number".to_owned(),
            format!("tax_number={TAX}"),
            "q=HT-7731".to_owned(),
        ] {
            let refused = validator.get(&format!("{LOANS}?{asked}"));
            assert_eq!(refused.status, 400, "{asked}: {}", refused.body);
        }
        let history = validator.get(&format!("{one}/history")).body.to_string();
        let page = validator.page(&format!("/example/loans/{id}"));
        assert_eq!(page.status, 200, "{}", page.body);
        let (_, file) = exported(&mut validator, "example/loans");
        for (place, words) in [
            ("history", history),
            ("page", page.body.to_string()),
            ("file", file),
        ] {
            assert!(
                !words.contains(TAX) && !words.contains("HT-7731"),
                "{place}: {words}"
            );
        }
        let (_, file) = exported(&mut admin, "platform/changes?what=organisation.compose");
        assert!(file.contains("隐去") && file.contains("税号"), "{file}");
    });
}

#[test]
fn dj_08_bad_clearances_are_refused_and_nothing_typed_is_lost() {
    on_each_engine(true, |server| {
        let mut admin = server.user("bankadmin");
        let compose = format!("/api/v1/platform/organisations/{BANK}/compose");
        for wrong in [json!("L5"), json!("l4"), json!(4), json!(["L4"])] {
            let mut wish = wish("L4");
            wish["clearance"] = wrong.clone();
            let refused = admin.post(&compose, &wish);
            assert_eq!(refused.status, 400, "{wrong}: {}", refused.body);
            assert_eq!(refused.body["errors"][0]["field"], "clearance", "{wrong}");
        }
        // No role of developers is cleared for more than L3.
        let path = format!("/api/v1/platform/organisations/{BANK}/limit");
        let narrowed = json!({ "ceiling": ["model.developer"], "reason": "收紧" });
        let limited = server.user("security").post(&path, &narrowed);
        assert_eq!(limited.status, 200, "{}", limited.body);
        let mut wish = wish("L4");
        wish["permissions"] = json!(["example:loan.read@assigned"]);
        let over = admin.post(&compose, &wish);
        assert_eq!(over.status, 400, "{}", over.body);
        let fault = &over.body["errors"][0];
        assert_eq!(
            (&fault["field"], &fault["code"]),
            (&json!("clearance"), &json!("over-ceiling"))
        );
        assert!(fault.to_string().contains("L3"), "{fault}");
        wish["clearance"] = json!("");
        let made = admin.post(&compose, &wish);
        assert_eq!(made.status, 200, "{}", made.body);
        let role = text(&made.body["result"]["id"]);
        let role = admin.get(&format!("/api/v1/platform/roles/{role}"));
        assert_eq!(role.body["clearance"], "L3", "where nothing is said");
    });
}
