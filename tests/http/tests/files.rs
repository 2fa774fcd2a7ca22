//! Files end to end: uploaded at once or in pieces, named in an action by their uploader alone, and
//! fetched where a record holds them by whoever may read that field, on both engines.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use serde_json::{Value, json};
use tests_http::database::Database;
use tests_http::steps::{BANK, recorded, text, trail};
use tests_http::{Built, Client, Server, Signed, Start};

const LOANS: &str = "/api/v1/example/loans";
const MIB: usize = 1 << 20;

fn start(database: Option<Database>) -> Option<Server> {
    let plugins = Built::find()?.guests.join("test-plugins");
    Server::start_as(Start {
        plugins: Some(plugins),
        database,
        ..Start::default()
    })
}

fn on_each_engine(story: impl Fn(Server)) {
    if let Some(server) = start(None) {
        story(server);
    }
    if let Some(database) = Database::create("files")
        && let Some(server) = start(Some(database))
    {
        story(server);
    }
}

fn loan(owner: &mut Client, number: &str) -> String {
    let input = json!({ "number": number, "amount": "5", "bank": BANK, "district": "310115" });
    let made = owner.post(&format!("{LOANS}/request"), &input);
    assert_eq!(made.status, 200, "{}", made.body);
    text(&made.body["result"]["id"])
}

fn attach(owner: &mut Client, loan: &str, input: &Value) -> tests_http::Answer {
    owner.post(&format!("{LOANS}/{loan}/attach"), input)
}

fn fetch(client: &Client, path: &str, headers: &[(&str, &str)]) -> Signed {
    client.send("GET", path, headers, b"")
}

/// A document of `size` bytes that is text all through, so that a test can compare it.
fn document(size: usize) -> String {
    let lines = (0..size).map(|line| format!("line {line} of a contract\n"));
    let mut text = String::from("%PDF-1.7\n");
    for line in lines {
        text.push_str(&line);
        if text.len() >= size {
            break;
        }
    }
    text.truncate(size);
    text
}

#[test]
fn who_may_read_the_field_fetches_the_file_and_nobody_else() {
    on_each_engine(|server| {
        let mut owner = server.user("enterprise");
        let id = loan(&mut owner, "F1");
        let contract = document(2 * MIB + 17);
        let file = owner.upload("%E5%90%88%E5%90%8C.pdf", contract.as_bytes());
        assert_eq!(file.status, 200, "{}", file.body);
        let paper = owner.upload("licence.csv", b"name,number\nA,1\n");
        let named = json!({ "contract": file.body, "papers": [paper.body] });
        let attached = attach(&mut owner, &id, &named);
        assert_eq!(attached.status, 200, "{}", attached.body);

        let path = format!("{LOANS}/{id}/files/contract");
        let whole = fetch(&owner, &path, &[]);
        assert_eq!(whole.answer.status, 200, "{}", whole.answer.body);
        assert!(whole.answer.text() == contract);
        let digest = text(&file.body["digest"]);
        let tag = format!("\"{digest}\"");
        assert_eq!(whole.header("etag"), Some(tag.as_str()));
        assert_eq!(whole.header("content-type"), Some("application/pdf"));
        assert_eq!(whole.header("x-content-type-options"), Some("nosniff"));
        assert!(
            whole
                .header("content-security-policy")
                .unwrap()
                .contains("sandbox")
        );
        assert_eq!(
            whole.header("content-disposition"),
            Some("attachment; filename=\"__.pdf\"; filename*=UTF-8''%E5%90%88%E5%90%8C.pdf")
        );
        parts(&owner, &path, &contract, &tag);

        // The same from the page that shows it, and the page links to nothing else.
        let page = owner.get(&format!("/example/loans/{id}"));
        let link = format!("/files/example/loans/{id}/contract/{digest}");
        assert!(page.text().contains(&link), "{}", page.text());
        assert_eq!(fetch(&owner, &link, &[]).answer.text(), contract);
        // Led to sign in.
        let led = fetch(&server.anonymous(), &link, &[]).answer;
        assert!(led.text().contains("login-card"), "{}", led.text());

        let paper = format!("{LOANS}/{id}/files/papers/{}", text(&paper.body["digest"]));
        assert_eq!(fetch(&owner, &paper, &[]).answer.status, 200);
        // The bank reads the loan and not its papers.
        let officer = server.user("officer");
        assert_eq!(fetch(&officer, &path, &[]).answer.status, 200);
        let hidden = fetch(&officer, &paper, &[]).answer;
        assert_eq!((hidden.status, hidden.code()), (403, "forbidden"));
        // Nobody else learns that there is such a loan.
        for stranger in ["enterprise2", "officer2"] {
            let stranger = server.user(stranger);
            for path in [&path, &paper, &link] {
                assert_eq!(fetch(&stranger, path, &[]).answer.status, 404);
            }
        }
        assert_eq!(fetch(&server.anonymous(), &path, &[]).answer.status, 401);
        for wrong in [
            format!("{LOANS}/{id}/files/number"),
            format!("{LOANS}/{id}/files/nothing"),
            format!("{LOANS}/{id}/files/contract/{}", "0".repeat(64)),
            format!(
                "{LOANS}/{id}/files/contract/{}",
                paper.rsplit('/').next().unwrap()
            ),
            format!("{LOANS}/{BANK}/files/contract"),
        ] {
            assert_eq!(fetch(&owner, &wrong, &[]).answer.status, 404, "{wrong}");
        }
        // Reading is recorded, once each, with what was read.
        let reads = trail(&server.user("auditor"), &id);
        let reads = reads.iter().filter(|action| *action == "file.read");
        assert_eq!(reads.count(), 9);
    });
}

#[test]
fn whoever_reads_the_history_opens_the_files_it_names() {
    on_each_engine(|server| {
        let mut owner = server.user("enterprise");
        let id = loan(&mut owner, "H1");
        let (first, second) = ("name,number\nA,1\n", "name,number\nB,2\n");
        let mut digests = Vec::new();
        for (name, content) in [("first.csv", first), ("second.csv", second)] {
            let file = owner.upload(name, content.as_bytes());
            digests.push(text(&file.body["digest"]));
            let attached = attach(&mut owner, &id, &json!({ "contract": file.body }));
            assert_eq!(attached.status, 200, "{}", attached.body);
        }
        let history = owner.get(&format!("{LOANS}/{id}/history"));
        let items = history.body["items"].as_array().unwrap();
        let named: Vec<&Value> = items
            .iter()
            .map(|i| &i["after"]["contract"]["digest"])
            .collect();
        assert_eq!(named[1..], [&json!(digests[0]), &json!(digests[1])]);

        let path = |digest: &str| format!("{LOANS}/{id}/files/contract/{digest}");
        let earlier = fetch(&owner, &path(&digests[0]), &[]);
        assert_eq!(earlier.answer.text(), first);
        assert!(
            earlier
                .header("content-disposition")
                .unwrap()
                .contains("first.csv")
        );
        assert_eq!(fetch(&owner, &path(&digests[1]), &[]).answer.text(), second);
        // Without a name it is the present one.
        let present = fetch(&owner, &format!("{LOANS}/{id}/files/contract"), &[]);
        assert_eq!(present.answer.text(), second);
        // For people, too, and on record.
        let link = format!("/files/example/loans/{id}/contract/{}", digests[0]);
        let before = recorded(&server, "what=file.read");
        assert_eq!(fetch(&owner, &link, &[]).answer.text(), first);
        assert_eq!(recorded(&server, "what=file.read"), before + 1);
        // As the present one: the bank's officer reads it, others find nothing.
        let officer = server.user("officer");
        assert_eq!(
            fetch(&officer, &path(&digests[0]), &[]).answer.text(),
            first
        );
        let stranger = server.user("enterprise2");
        assert_eq!(fetch(&stranger, &path(&digests[0]), &[]).answer.status, 404);
        assert_eq!(
            fetch(&server.anonymous(), &path(&digests[0]), &[])
                .answer
                .status,
            401
        );
        // Of another record or field it is not, and neither is what no history names.
        let other = loan(&mut owner, "H2");
        let foreign = format!("{LOANS}/{other}/files/contract/{}", digests[0]);
        let unnamed = path(&"0".repeat(64));
        let field = format!("{LOANS}/{id}/files/papers/{}", digests[0]);
        for wrong in [&foreign, &unnamed, &field] {
            assert_eq!(fetch(&owner, wrong, &[]).answer.status, 404, "{wrong}");
        }

        // Removed in the days when histories did not keep their files, it is gone, and that is said.
        let file = server.data().join("rongqiao.sqlite");
        if !file.exists() {
            return;
        }
        let forget = format!("DELETE FROM kernel__blobs WHERE digest = '{}'", digests[0]);
        tests_scratch::tamper_file(&file, &forget).unwrap();
        let gone = fetch(&owner, &path(&digests[0]), &[]).answer;
        assert_eq!((gone.status, gone.code()), (410, "file-collected"));
        assert_eq!(fetch(&owner, &path(&digests[1]), &[]).answer.status, 200);
    });
}

fn parts(owner: &Client, path: &str, contract: &str, tag: &str) {
    let size = contract.len();
    for (range, part) in [
        ("bytes=0-3".to_owned(), 0..4),
        (format!("bytes={}-{}", MIB - 2, MIB + 1), MIB - 2..MIB + 2),
        ("bytes=-5".to_owned(), size - 5..size),
    ] {
        let some = fetch(owner, path, &[("range", &range)]);
        assert_eq!(some.answer.status, 206, "{range}");
        let told = format!("bytes {}-{}/{size}", part.start, part.end - 1);
        assert_eq!(some.header("content-range"), Some(told.as_str()));
        assert_eq!(some.answer.text(), &contract[part]);
    }
    let beyond = fetch(owner, path, &[("range", "bytes=99999999-")]);
    assert_eq!(beyond.answer.status, 416);
    assert_eq!(beyond.answer.code(), "range-not-satisfiable");
    assert_eq!(
        beyond.header("content-range"),
        Some(format!("bytes */{size}").as_str())
    );
    let unchanged = fetch(owner, path, &[("if-none-match", tag)]);
    assert_eq!(unchanged.answer.status, 304);
    let old = [("range", "bytes=0-3"), ("if-range", "\"another\"")];
    assert_eq!(fetch(owner, path, &old).answer.status, 200);
    let head = owner.send("HEAD", path, &[], b"");
    assert_eq!(head.answer.status, 200);
    assert_eq!(
        head.header("content-length"),
        Some(size.to_string().as_str())
    );
    // Compressed, a part would be no part.
    let packed = fetch(owner, path, &[("accept-encoding", "gzip")]);
    assert_eq!(packed.header("content-encoding"), None);
}

#[test]
fn an_action_names_only_files_of_ones_own() {
    on_each_engine(|server| {
        let mut owner = server.user("enterprise");
        let mut other = server.user("enterprise2");
        let id = loan(&mut owner, "F2");
        let file = owner.upload("a.csv", b"a,b\n1,2\n").body;
        let (mine, theirs) = (id, loan(&mut other, "F3"));
        // Another's upload, though one knows all there is to know of it, and one that nobody has.
        let none = json!({ "digest": "0".repeat(64), "name": "a.csv", "size": 8 });
        for stolen in [&file, &none] {
            let refused = attach(&mut other, &theirs, &json!({ "contract": stolen }));
            assert_eq!(
                (refused.status, refused.code()),
                (400, "invalid"),
                "{}",
                refused.body
            );
            let error = &refused.body["errors"][0];
            assert_eq!(
                (&error["field"], &error["code"]),
                (&json!("contract"), &json!("bad-file"))
            );
        }
        // Nor through a module that makes a file of a bare digest, or of a loan one cannot see.
        let named = json!({ "contract": file });
        assert_eq!(attach(&mut owner, &mine, &named).status, 200);
        let made_up = attach(&mut other, &theirs, &json!({ "digest": file["digest"] }));
        assert_eq!((made_up.status, made_up.code()), (500, "plugin.bad-write"));
        let unseen = attach(&mut other, &theirs, &json!({ "same_as": mine }));
        assert!([400, 404].contains(&unseen.status), "{}", unseen.body);
        let theirs_now = other.get(&format!("{LOANS}/{theirs}")).body;
        assert_eq!(theirs_now["contract"], Value::Null);

        // One's own again, from the record, and copied to another of one's own.
        assert_eq!(attach(&mut owner, &mine, &named).status, 200);
        let second = loan(&mut owner, "F4");
        let copied = attach(&mut owner, &second, &json!({ "same_as": mine }));
        assert_eq!(copied.status, 200, "{}", copied.body);
        let path = format!("{LOANS}/{second}/files/contract");
        assert_eq!(fetch(&owner, &path, &[]).answer.text(), "a,b\n1,2\n");

        // The same bytes of both are two files, and neither is told of the other's.
        let same = other.upload("a.csv", b"a,b\n1,2\n").body;
        assert_eq!(same["digest"], file["digest"]);
        let folders = std::fs::read_dir(server.data.path().join("blobs")).unwrap();
        assert_eq!(folders.count(), 2, "one folder an owner");

        // What is said of a file counts for nothing: its size and name are those it has.
        let lie = json!({ "digest": file["digest"], "name": "b.pdf", "size": 1 });
        assert_eq!(
            attach(&mut owner, &second, &json!({ "contract": lie })).status,
            200
        );
        let kept = owner.get(&format!("{LOANS}/{second}")).body;
        assert_eq!(kept["contract"], file);
        let large = owner
            .upload("large.csv", "1,2\n".repeat(MIB).as_bytes())
            .body;
        let mut small = large.clone();
        small["size"] = json!(3);
        let refused = attach(&mut owner, &second, &json!({ "contract": small }));
        assert_eq!(refused.body["errors"][0]["code"], json!("too-large"));
        // Nor is a paper what its name says.
        assert_eq!(owner.upload("x.pdf", b"a,b\n").status, 400);
        assert_eq!(owner.upload("x.csv", b"%PDF-1.7\n").status, 400);
    });
}

/// The headers of a tus request, and some more.
fn tus<'h>(more: &[(&'h str, &'h str)]) -> Vec<(&'h str, &'h str)> {
    [&[("tus-resumable", "1.0.0")], more].concat()
}

fn piece(client: &Client, at: &str, offset: usize, bytes: &[u8]) -> Signed {
    let offset = offset.to_string();
    let headers = tus(&[
        ("content-type", "application/offset+octet-stream"),
        ("upload-offset", &offset),
    ]);
    client.send("PATCH", at, &headers, bytes)
}

fn offset(client: &Client, at: &str) -> usize {
    let head = client.send("HEAD", at, &tus(&[]), b"");
    assert_eq!(head.answer.status, 200);
    head.header("upload-offset").unwrap().parse().unwrap()
}

fn begin(client: &Client, size: usize) -> String {
    let size = size.to_string();
    // "合同.pdf"
    let headers = tus(&[
        ("upload-length", &size),
        ("upload-metadata", "filename 5ZCI5ZCMLnBkZg=="),
    ]);
    let begun = client.send("POST", "/api/v1/files", &headers, b"");
    assert_eq!(begun.answer.status, 201, "{}", begun.answer.body);
    begun.header("location").unwrap().to_owned()
}

#[test]
fn an_upload_goes_on_where_a_kill_left_it() {
    on_each_engine(|mut server| {
        let mut owner = server.user("enterprise");
        let contract = document(2 * MIB + 17);
        let bytes = contract.as_bytes();
        let at = begin(&owner, bytes.len());
        assert_eq!(offset(&owner, &at), 0);
        let third = bytes.len() / 3;
        let first = piece(&owner, &at, 0, &bytes[..third]);
        assert_eq!(first.answer.status, 204, "{}", first.answer.body);
        assert_eq!(
            first.header("upload-offset"),
            Some(third.to_string().as_str())
        );
        let second = piece(&owner, &at, third, &bytes[third..2 * third]);
        assert_eq!(second.answer.status, 204);

        server.kill();
        server.start_again();
        owner.follow(&server);
        // What was acknowledged is there; nothing is sent twice.
        assert_eq!(offset(&owner, &at), 2 * third);
        let again = piece(&owner, &at, third, &bytes[third..2 * third]);
        assert_eq!(
            (again.answer.status, again.answer.code()),
            (409, "upload-offset")
        );
        let last = piece(&owner, &at, 2 * third, &bytes[2 * third..]);
        assert_eq!(last.answer.status, 204, "{}", last.answer.body);
        assert_eq!(offset(&owner, &at), bytes.len());
        let whole = owner.get(&at).body;
        assert_eq!(whole["file"]["name"], json!("合同.pdf"));

        let id = loan(&mut owner, "F5");
        let attached = attach(&mut owner, &id, &json!({ "contract": whole["file"] }));
        assert_eq!(attached.status, 200, "{}", attached.body);
        let path = format!("{LOANS}/{id}/files/contract");
        assert!(fetch(&owner, &path, &[]).answer.text() == contract);
        // Of the pieces nothing is left.
        let pieces = std::fs::read_dir(server.data.path().join("blobs/parts")).unwrap();
        assert_eq!(pieces.count(), 0);
    });
}

#[test]
fn an_upload_in_pieces_is_its_beginners_and_keeps_to_what_it_said() {
    let Some(server) = start(None) else { return };
    let owner = server.user("enterprise");
    let at = begin(&owner, 20);
    for stranger in [server.user("enterprise2"), server.user("officer")] {
        assert_eq!(stranger.get(&at).status, 404);
        assert_eq!(piece(&stranger, &at, 0, b"x").answer.status, 404);
        let ended = stranger.send("DELETE", &at, &tus(&[]), b"");
        assert_eq!(ended.answer.status, 404);
    }
    let mut forged = server.user("enterprise");
    forged.without_token();
    assert_eq!(piece(&forged, &at, 0, b"x").answer.code(), "csrf");
    let much = piece(&owner, &at, 0, &[b'a'; 21]).answer;
    assert_eq!((much.status, much.code()), (400, "invalid"));
    let headers = tus(&[("upload-offset", "0"), ("content-type", "text/plain")]);
    assert_eq!(owner.send("PATCH", &at, &headers, b"x").answer.status, 415);
    let bare = tus(&[("content-type", "application/offset+octet-stream")]);
    assert_eq!(
        owner.send("PATCH", &at, &bare, b"x").answer.code(),
        "bad-header"
    );
    let older = [("tus-resumable", "0.2.2"), ("upload-length", "1")];
    let refused = owner.send("POST", "/api/v1/files", &older, b"").answer;
    assert_eq!((refused.status, refused.code()), (412, "tus-version"));
    let huge = tus(&[("upload-length", "99999999999")]);
    let refused = owner.send("POST", "/api/v1/files", &huge, b"").answer;
    assert_eq!((refused.status, refused.code()), (413, "too-large"));
    let spoken = owner.send("OPTIONS", "/api/v1/files", &[], b"");
    assert_eq!(spoken.header("tus-version"), Some("1.0.0"));
    // What is not taken is refused with its last piece, which may be sent again as another.
    assert_eq!(piece(&owner, &at, 0, b"<!doctype html>").answer.status, 204);
    assert_eq!(piece(&owner, &at, 15, b"<p>hi").answer.status, 400);
    assert_eq!(offset(&owner, &at), 15);
    let ended = owner.send("DELETE", &at, &tus(&[]), b"");
    assert_eq!(ended.answer.status, 204);
    assert_eq!(owner.get(&at).status, 404);
    // Nobody fills the store with beginnings.
    let all: Vec<String> = (0..20).map(|_| begin(&owner, 5)).collect();
    let more = owner.send(
        "POST",
        "/api/v1/files",
        &tus(&[("upload-length", "5")]),
        b"",
    );
    assert_eq!(
        (more.answer.status, more.answer.code()),
        (422, "too-many-uploads")
    );
    assert_eq!(piece(&owner, &all[0], 0, b"%PDF-").answer.status, 204);
    begin(&owner, 5);
}
