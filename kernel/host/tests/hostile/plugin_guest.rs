//! Plugins in text: one with a collection, a flow, two actions, a page and a home block, and
//! whatever a test makes of it.

use std::path::Path;

use sdk_contract::page::{Block, Page};
use serde_json::{Value, json};

use tests_guests::core::{Constants, Core, SCRATCH, component};

/// The role that may do everything a test plugin declares.
pub(crate) const TESTER: &str = "tester";
/// A record that every test plugin has from its seeds, in state `draft`.
pub(crate) const SEEDED: &str = "01930000-0000-7000-8000-00000000a001";
/// Answers with what was declared for it.
const ANSWERS: &str = "(i32.const {answer})";

/// Reads with `find`; a fault of the host becomes the answer.
pub(crate) const FINDS: &str = "
  (call $find (i32.const {at}) (i32.const {len}) (i32.const 16))
  (select (i32.const 16) (i32.const {answer}) (i32.load8_u (i32.const 16)))";
/// Asks for a score; a fault of the host becomes the answer.
pub(crate) const ASKS_FOR_A_SCORE: &str = "
  (call $ask_score (i32.const {at}) (i32.const {len}) (i32.const 16))
  (select (i32.const 16) (i32.const {answer}) (i32.load8_u (i32.const 16)))";
pub(crate) const DIGESTS: &str = "
  (call $digest (i32.const {at}) (i32.const {len}) (i32.const 16)) (i32.const {answer})";
pub(crate) const SPINS: &str = "(loop $l (br $l)) unreachable";
pub(crate) const TRAPS: &str = "unreachable";
/// Takes memory, a megabyte at a time, for as long as it gets any.
pub(crate) const BLOATS: &str = "
  (loop $l (br_if $l (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) (i32.const {answer})";

/// A plugin to be.
pub(crate) struct PluginGuest {
    id: String,
    def: Value,
    manifest: String,
    imports: &'static str,
    constant: String,
    pages: usize,
    describe: &'static str,
    page: (String, &'static str),
    act: (String, &'static str),
    hear: (String, &'static str),
}

impl PluginGuest {
    /// Well-behaved: its page reads its own collection, `thing.send` sends a draft.
    pub(crate) fn calm(id: &str) -> Self {
        let page = Page::new(id).block(Block::prose("words", "一切正常"));
        Self {
            id: id.into(),
            def: def(id),
            manifest: String::new(),
            imports: r#"(import "rongqiao:plugin/storage@0.1.0" "find" (func $find (param i32 i32 i32)))"#,
            constant: json!({ "collection": "things", "limit": 5 }).to_string(),
            pages: 1,
            describe: ANSWERS,
            page: (serde_json::to_string(&page).unwrap(), FINDS),
            act: (sends().to_string(), ANSWERS),
            hear: (json!({}).to_string(), ANSWERS),
        }
    }
    /// Changes the declaration.
    pub(crate) fn declares(mut self, change: impl FnOnce(&mut Value)) -> Self {
        change(&mut self.def);
        self
    }
    /// Appends to `plugin.toml`.
    pub(crate) fn manifest(mut self, lines: &str) -> Self {
        self.manifest.push_str(lines);
        self
    }
    /// Imports these functions instead, and hands this text to the one that is called.
    pub(crate) fn imports(mut self, imports: &'static str, constant: impl Into<String>) -> Self {
        self.imports = imports;
        self.constant = constant.into();
        self
    }
    /// Starts with this many pages of memory.
    pub(crate) fn pages(mut self, pages: usize) -> Self {
        self.pages = pages;
        self
    }
    pub(crate) fn describe_runs(mut self, body: &'static str) -> Self {
        self.describe = body;
        self
    }
    pub(crate) fn page_runs(mut self, body: &'static str) -> Self {
        self.page.1 = body;
        self
    }
    pub(crate) fn page_says(mut self, document: impl Into<String>) -> Self {
        self.page = (document.into(), ANSWERS);
        self
    }
    pub(crate) fn act_runs(mut self, body: &'static str) -> Self {
        self.act.1 = body;
        self
    }
    pub(crate) fn act_says(mut self, reply: impl Into<String>) -> Self {
        self.act = (reply.into(), ANSWERS);
        self
    }
    pub(crate) fn hear_runs(mut self, body: &'static str) -> Self {
        self.hear.1 = body;
        self
    }
    pub(crate) fn hear_says(mut self, reply: impl Into<String>) -> Self {
        self.hear = (reply.into(), ANSWERS);
        self
    }
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Writes the plugin's folder.
    pub(crate) fn put(&self, plugins: &Path) {
        put(plugins, &self.id, &self.manifest, &self.build());
    }

    fn build(&self) -> Vec<u8> {
        let mut constants = Constants::default();
        let (at, len) = constants.text(&self.constant);
        let (def, def_len) = constants.text(&self.def.to_string());
        let described = constants.words(&[1, def, def_len]);
        let (page, page_len) = constants.text(&self.page.0);
        let page_ok = constants.words(&[0, 1, page, page_len]);
        let body = |text: &str, answer: usize| {
            text.replace("{answer}", &answer.to_string())
                .replace("{at}", &at.to_string())
                .replace("{len}", &len.to_string())
        };
        let page = body(self.page.1, page_ok);
        let describe = body(self.describe, described);
        let mut reply = |(says, text): &(String, &str)| {
            let (reply, reply_len) = constants.text(says);
            body(text, constants.words(&[0, reply, reply_len]))
        };
        let (act, hear) = (reply(&self.act), reply(&self.hear));
        let functions = format!(
            r#"
(func $page_of (param $at i32) (param $len i32) (result i32)
  (i32.store (i32.const {SCRATCH}) (i32.const 0))
  (i32.store offset=4 (i32.const {SCRATCH}) (i32.const 1))
  (i32.store offset=8 (i32.const {SCRATCH}) (local.get $at))
  (i32.store offset=12 (i32.const {SCRATCH}) (local.get $len))
  (i32.const {SCRATCH}))
(func (export "rongqiao:plugin/guest@0.1.0#describe") (result i32) {describe})
(func (export "rongqiao:plugin/guest@0.1.0#page") (param i32 i32 i32 i32) (result i32) {page})
(func (export "rongqiao:plugin/guest@0.1.0#act") (param i32 i32 i32 i32 i32 i32) (result i32) {act})
(func (export "rongqiao:plugin/guest@0.1.0#on-event") (param i32 i32 i32 i32) (result i32) {hear})"#
        );
        component(
            "plugin",
            &Core {
                imports: self.imports,
                functions,
                constants,
                pages: self.pages,
            },
        )
    }
}

/// Writes a plugin's folder from its parts.
pub(crate) fn put(plugins: &Path, id: &str, manifest: &str, component: &[u8]) {
    let folder = plugins.join(id);
    std::fs::create_dir_all(&folder).unwrap();
    let manifest = format!(
        "id = \"{id}\"\nversion = \"0.1.0\"\napi = \"0.1\"\nkind = \"module\"\n\
         name = {{ zh = \"测试\", en = \"Test\" }}\n{manifest}"
    );
    std::fs::write(folder.join("plugin.toml"), manifest).unwrap();
    std::fs::write(folder.join("component.wasm"), component).unwrap();
}

/// The reply of `thing.send` on the seeded record.
pub(crate) fn sends() -> Value {
    json!({ "writes": [moves("sent")], "events": [{ "name": "thing.sent", "aggregate": SEEDED, "data": {} }] })
}

/// A write that takes the seeded record to a state.
pub(crate) fn moves(status: &str) -> Value {
    json!({ "update": { "collection": "things", "id": SEEDED, "revision": 1, "values": { "status": status } } })
}

/// A write that inserts a thing.
pub(crate) fn inserts(collection: &str, values: &Value) -> Value {
    json!({ "insert": { "collection": collection, "id": "01930000-0000-7000-8000-00000000a002", "values": values } })
}

fn def(id: &str) -> Value {
    let label = |zh: &str| json!({ "zh": zh, "en": zh });
    let option = |value: &str| json!({ "value": value, "label": label(value) });
    let grant = |name: &str| json!({ "name": name, "label": label(name), "grants": [{ "role": TESTER, "scope": "all" }] });
    let action = |name: &str, record: bool| json!({ "name": name, "label": label(name), "collection": "things", "record": record, "permission": name, "input": [] });
    json!({
        "id": id,
        "label": label(id),
        "collections": [{
            "name": "things", "entity": "thing", "label": label("事项"), "title": "title",
            "shard": "aggregate", "read": "thing.read",
            "fields": [
                { "name": "title", "label": label("名称"), "kind": "text", "max": 20, "required": true, "frozen": true },
                { "name": "status", "label": label("状态"), "kind": "choice", "of": "thing-status", "required": true },
            ],
        }],
        "choices": [{ "name": "thing-status", "label": label("状态"), "options": [option("draft"), option("sent"), option("done")] }],
        "flows": [{
            "collection": "things", "field": "status", "initial": ["draft"],
            "transitions": [
                { "action": "thing.send", "from": ["draft"], "to": "sent" },
                { "action": "thing.finish", "from": ["sent"], "to": "done" },
            ],
        }],
        "actions": [action("thing.add", false), action("thing.send", true), action("thing.finish", true)],
        "pages": [{ "path": format!("/{id}/things"), "label": label("事项"), "area": "bench", "permission": "thing.read" }],
        "blocks": [{ "id": "today", "permission": "thing.read" }],
        "events": [{ "name": "thing.sent", "label": label("已送出") }],
        "permissions": [grant("thing.read"), grant("thing.add"), grant("thing.send"), grant("thing.finish")],
        "seeds": [{ "demo": false, "collection": "things", "id": SEEDED, "values": { "title": "第一件", "status": "draft" } }],
    })
}
