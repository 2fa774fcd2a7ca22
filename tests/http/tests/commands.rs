//! What a bank's developer and an auditor do on the command line.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tests_guests::hostile_models;
use tests_http::steps::{BANK, application, live_model, scored_product, sign_letter, text};
use tests_http::{Built, Server};

const ROWS: usize = 1_000;
const TOLERANCE: f64 = 1e-9;

/// A model that a build may have left out.
fn model(built: &Built, name: &str) -> Option<PathBuf> {
    let path = built.model(name);
    let there = path.is_file();
    if !there {
        #[expect(clippy::print_stderr, reason = "a skipped test says why")]
        {
            eprintln!("skipped: {} is not built; run ./x test", path.display());
        }
    }
    there.then_some(path)
}

/// The real applicants, where `fit.py` keeps them once it has fetched them.
fn applicants() -> Option<PathBuf> {
    let cache = std::env::var_os("RONGQIAO_CACHE").map(PathBuf::from);
    let found = cache
        .map(|c| c.join("data/germancredit.csv"))
        .filter(|f| f.is_file());
    if found.is_none() {
        #[expect(clippy::print_stderr, reason = "a skipped test says why")]
        {
            eprintln!("skipped: examples/bank-models/fit/fit.py has not fetched germancredit.csv");
        }
    }
    found
}

/// Scores a file; gives the score of each row.
fn scores(built: &Built, component: &Path, input: &Path, out: &Path) -> Vec<f64> {
    let (ok, said) = built.run(&[
        "model",
        "score",
        component.to_str().unwrap(),
        "--input",
        input.to_str().unwrap(),
        "--out",
        out.to_str().unwrap(),
    ]);
    assert!(ok && said.contains("AUC") && said.contains("KS"), "{said}");
    let table = std::fs::read_to_string(out).unwrap();
    let mut lines = table.lines();
    assert_eq!(lines.next(), Some("row,score,probability,grade,why"));
    lines
        .enumerate()
        .map(|(i, line)| {
            let cells: Vec<&str> = line.split(',').collect();
            assert_eq!(cells[0], (i + 1).to_string(), "{line}");
            assert!(!cells[3].is_empty(), "{line}");
            cells[1].parse().unwrap()
        })
        .collect()
}

#[test]
fn the_same_model_in_two_languages_gives_the_same_thousand_scores() {
    let Some(built) = Built::find() else { return };
    let (Some(rust), Some(python), Some(input)) = (
        model(&built, "german-credit"),
        model(&built, "german-credit-python"),
        applicants(),
    ) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let one = scores(&built, &rust, &input, &folder.path().join("rust.csv"));
    let two = scores(&built, &python, &input, &folder.path().join("python.csv"));
    assert_eq!((one.len(), two.len()), (ROWS, ROWS));
    for (row, (a, b)) in one.iter().zip(&two).enumerate() {
        assert!((a - b).abs() <= TOLERANCE, "row {row}: {a} and {b}");
    }
    assert!(
        one.iter().any(|a| (a - one[0]).abs() > 1.0),
        "they tell people apart"
    );
}

#[test]
fn every_built_model_passes_the_check_and_a_hostile_one_does_not() {
    let Some(built) = Built::find() else { return };
    for name in ["german-credit", "german-credit-python", "tax-loan"] {
        let Some(path) = model(&built, name) else {
            continue;
        };
        let (ok, said) = built.run(&["model", "check", path.to_str().unwrap()]);
        assert!(ok && said.contains("golden"), "{name}: {said}");
    }
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in hostile_models() {
        let path = folder.path().join(format!("{name}.wasm"));
        std::fs::write(&path, bytes).unwrap();
        let (ok, said) = built.run(&["model", "check", path.to_str().unwrap()]);
        assert!(!ok && !said.contains("panicked"), "{name}: {said}");
        if name == "imports" {
            assert!(said.contains("wasi:sockets/tcp@0.2.0"), "{said}");
        }
    }
    let (ok, said) = built.run(&["model", "check", "nowhere.wasm"]);
    assert!(!ok && said.contains("nowhere.wasm"), "{said}");
}

/// What somebody did to a certificate.
type Change = fn(&mut Value);

/// Replays a certificate from a file.
fn replay(server: &Server, certificate: &Value) -> (bool, String) {
    let file = server.data().join("certificate.json");
    std::fs::write(&file, certificate.to_string()).unwrap();
    server.command(&["model", "replay", file.to_str().unwrap()])
}

#[test]
fn a_certificate_replays_and_a_changed_one_does_not() {
    let Some(server) = Server::start() else {
        return;
    };
    live_model(&server);
    let mut enterprise = server.user("enterprise");
    sign_letter(&mut enterprise, BANK);
    let product = scored_product(&enterprise, BANK);
    let applied = enterprise.post("/api/v1/lending/applications/apply", &application(&product));
    assert_eq!(applied.status, 200, "{}", applied.body);
    // The bank's own people see the certificate; an auditor sees that there is one.
    let calls = server
        .user("validator")
        .get("/api/v1/console/certificates")
        .body;
    let row = &calls["items"][0];
    let id = text(&row["id"]);
    let (ok, said) = server.command(&["model", "replay", &id]);
    assert!(ok && said.contains("identical bytes"), "by id: {said}");
    let genuine = row["document"].clone();
    let (ok, said) = replay(&server, &genuine);
    assert!(
        ok && said.contains("identical bytes"),
        "from a file: {said}"
    );

    let changes: [(&str, Change, &str); 6] = [
        (
            "a better score",
            |c| c["certificate"]["output"]["score"] = json!(799.0),
            "certificate.output.score",
        ),
        (
            "other input",
            |c| c["certificate"]["input"]["tax.sales_12m"] = json!(1.0),
            "certificate.input.tax.sales_12m",
        ),
        (
            "another subject",
            |c| c["certificate"]["subject"] = json!(BANK),
            "certificate.subject",
        ),
        (
            "another model",
            |c| c["certificate"]["model"]["digest"] = json!("00"),
            "certificate.model.digest",
        ),
        (
            "another id",
            |c| c["certificate"]["id"] = json!(BANK),
            "signature",
        ),
        (
            "something more",
            |c| c["certificate"]["remark"] = json!("x"),
            "remark",
        ),
    ];
    for (name, change, word) in changes {
        let mut altered = genuine.clone();
        change(&mut altered);
        assert_ne!(altered, genuine, "{name}");
        let (ok, said) = replay(&server, &altered);
        assert!(!ok && said.contains(word), "{name}: {said}");
    }
    for (content, word) in [("{}", "certificate"), ("not json", "certificate")] {
        let file = server.data().join("certificate.json");
        std::fs::write(&file, content).unwrap();
        let (ok, said) = server.command(&["model", "replay", file.to_str().unwrap()]);
        assert!(!ok && said.contains(word), "{content}: {said}");
    }
    let (ok, said) = server.command(&["model", "replay", "01930000-0000-7000-8000-0000000fffff"]);
    assert!(!ok && said.contains("no certificate"), "{said}");
}

#[test]
fn a_configuration_is_checked_without_a_start() {
    let Some(built) = Built::find() else { return };
    let check = |file: &Path| built.run(&["config", "check", file.to_str().unwrap()]);
    let reference = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../host-config/reference.toml");
    let (ok, said) = check(&reference);
    assert!(ok && said.contains("16 districts"), "{said}");
    let folder = tempfile::tempdir().unwrap();
    let wrong = |text: &str| {
        let file = folder.path().join("wrong.toml");
        std::fs::write(&file, text).unwrap();
        let (ok, said) = check(&file);
        assert!(!ok, "{said}");
        said
    };
    let said = wrong("[http]\nupload_mib = 12\n");
    assert!(said.contains("upload_mib"), "{said}");
    // Whoever mends a file hears of everything at once.
    let said = wrong(
        "city = 'nowhere.toml'\n[tls]\ncertificate = 'nowhere.pem'\nkey = 'nowhere.key'\n\
         [scan]\nclamd = 'nowhere'\n[files]\nbucket = 'b'\nendpoint = 'http://files.example'\n\
         [certificates]\nlists = ['ldap://ca.example']\n",
    );
    for part in [
        "[city]",
        "nowhere.toml",
        "[tls]",
        "nowhere.key",
        "[scan]",
        "[files]",
        "[certificates]",
        "need each other",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}
