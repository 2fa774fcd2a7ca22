use std::fs;
use std::path::{Path, PathBuf};

use sdk_contract::model::{GOLDEN_TOLERANCE, encode_row};

use super::*;

/// Takes memory and gives none back.
const COMMON: &str = r#"
    (memory (export "memory") 1)
    (global $free (mut i32) (i32.const 4096))
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
      (global.get $free)
      (global.set $free (i32.add (global.get $free) (local.get 3))))
    (data (i32.const 64) "{\"id\":\"tea\",\"label\":{\"zh\":\"\",\"en\":\"\"}}")
    (data (i32.const 32) "\01\00\00\00\40\00\00\00\26\00\00\00")"#;

/// A plugin whose `describe()` does this.
fn plugin(imports: &str, describe: &str) -> Sandbox {
    let text = format!(
        r#"(component (core module {imports} {COMMON}
            (func (export "rongqiao:plugin/guest@0.1.0#describe") (result i32) {describe})))"#
    );
    Sandbox::open(&wat::parse_str(text).unwrap()).unwrap()
}

fn refusal(sandbox: &Sandbox) -> String {
    match sandbox.module() {
        Ok(described) => panic!("{:?}", described.def),
        Err(error) => format!("{error:#}"),
    }
}

#[test]
fn a_declaration_is_read_from_the_memory() {
    let described = plugin("", "(i32.const 32)").module().unwrap();
    assert_eq!(described.def.id, "tea");
    assert!(described.fuel > 0);
}

#[test]
fn describing_calls_nothing_ends_and_says_one_thing() {
    let log = r#"(import "rongqiao:plugin/log@0.1.0" "log" (func $log (param i32 i32 i32)))"#;
    let calls = "(call $log (i32.const 0) (i32.const 0) (i32.const 0)) (i32.const 32)";
    assert!(refusal(&plugin(log, calls)).contains("where nothing may be"));
    assert!(refusal(&plugin("", "(loop $l (br $l)) (unreachable)")).contains("trapped"));
    assert!(refusal(&plugin("", "(i32.const -4)")).contains("outside of the memory"));
    let version = "(i32.store8 (i32.const 32) (i32.const 9)) (i32.const 32)";
    assert!(refusal(&plugin("", version)).contains("document version 9"));
    let shape = "(i32.store8 (i32.const 64) (i32.const 91)) (i32.const 32)";
    assert!(refusal(&plugin("", shape)).contains("shape of its schema"));
}

#[test]
fn what_is_no_component_of_code_is_told() {
    assert!(Sandbox::open(b"#!/bin/sh").is_err());
    assert!(Sandbox::open(&wat::parse_str("(component)").unwrap()).is_err());
}

/// The folder of built guests; says so where there is none.
#[expect(
    clippy::disallowed_methods,
    reason = "tests have no configuration file"
)]
fn guests(folder: &str) -> Vec<PathBuf> {
    let Ok(built) = std::env::var("RONGQIAO_GUESTS") else {
        println!("skipped: RONGQIAO_GUESTS is not set");
        return Vec::new();
    };
    let Ok(entries) = fs::read_dir(Path::new(&built).join(folder)) else {
        println!("skipped: no {folder} are built");
        return Vec::new();
    };
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn every_built_plugin_describes_itself_as_frozen() {
    for folder in guests("plugins") {
        let name = folder.file_name().unwrap();
        let lock = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../plugins")
            .join(name)
            .join("schema.lock.json");
        let bytes = fs::read(folder.join("component.wasm")).unwrap();
        let def = Sandbox::open(&bytes).unwrap().module().unwrap().def;
        let frozen = fs::read_to_string(lock).unwrap();
        assert_eq!(
            crate::build::lock(&def).unwrap(),
            frozen,
            "{}",
            name.display()
        );
    }
}

#[test]
fn every_built_model_of_one_module_scores_as_declared() {
    for path in guests("models") {
        let bytes = fs::read(&path).unwrap();
        // A model that carries an interpreter is of several modules: the platform checks those.
        if bytes.len() > 4 * 1024 * 1024 {
            continue;
        }
        let sandbox = Sandbox::open(&bytes).unwrap();
        let def = sandbox.model().unwrap().def;
        for case in &def.golden {
            let row = encode_row(&def, &case.input).unwrap();
            let scored = sandbox.score(1, &row).unwrap();
            assert_eq!(scored.contributions.len(), row.len());
            assert!(
                scored
                    .values
                    .iter()
                    .all(|score| (score - case.score).abs() <= GOLDEN_TOLERANCE),
                "{}: {:?}, declared {}",
                path.display(),
                scored.values,
                case.score
            );
        }
    }
}
