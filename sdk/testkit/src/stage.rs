//! The real host for one scenario: a process that serves the platform on a fresh database under a
//! clock that stands still (`tests/stage`), driven over the platform's own HTTP API.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::rc::Rc;

use sdk_contract::call::Event;
use sdk_contract::error::Fault;
use sdk_contract::scalar::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::http::Session;
use crate::scenario::Profile;
use crate::setting::Setting;
use crate::world::Deed;

/// The built server; a stage is built beside it.
const SERVER: &str = "RONGQIAO_BIN";
const STAGE: &str = "rongqiao-stage";
/// The folder of built guests.
const GUESTS: &str = "RONGQIAO_GUESTS";
/// A `PostgreSQL` server whose user may create databases.
const POSTGRES: &str = "RONGQIAO_TEST_PG";

/// Why a scenario cannot run here; not a failure.
pub(crate) type Missing = String;

pub(crate) struct Stage {
    child: Child,
    /// Closed to end the stage.
    input: Option<RefCell<ChildStdin>>,
    output: RefCell<BufReader<ChildStdout>>,
    url: String,
    /// Login → password.
    logins: BTreeMap<String, String>,
    /// `<plugin>.<entity>` → plural.
    plurals: BTreeMap<String, String>,
    sessions: RefCell<BTreeMap<String, Rc<Session>>>,
    now: Cell<i64>,
}

/// What a stage says; the other half is in `tests/stage`.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Told {
    Open {
        url: String,
        logins: BTreeMap<String, String>,
    },
    Now(i64),
    Events(Vec<Event>),
}

#[expect(
    clippy::disallowed_methods,
    reason = "the runner says where things are"
)]
fn variable(name: &str) -> Result<String, Missing> {
    std::env::var(name)
        .ok()
        .filter(|value| !value.is_empty())
        .ok_or_else(|| format!("{name} is not set; ./x test sets it"))
}

fn built(path: PathBuf) -> Result<PathBuf, Missing> {
    if path.exists() {
        Ok(path)
    } else {
        Err(format!(
            "{} is not built; ./x test builds it",
            path.display()
        ))
    }
}

#[expect(
    clippy::panic,
    reason = "a stage that does not do its part fails the scenario"
)]
impl Stage {
    /// Starts one, if everything it needs is there.
    ///
    /// # Panics
    /// When the stage does not start.
    pub(crate) fn start(
        profile: Profile,
        setting: &Setting,
        now: Timestamp,
    ) -> Result<Self, Missing> {
        let program = built(Path::new(&variable(SERVER)?).with_file_name(STAGE))?;
        let guests = built(PathBuf::from(variable(GUESTS)?))?;
        let mut command = Command::new(program);
        command.arg("--guests").arg(&guests);
        command.arg("--now").arg(now.micros().to_string());
        if profile == Profile::Postgres {
            command.arg("--postgres").arg(variable(POSTGRES)?);
        }
        for module in &setting.modules {
            let place = |folder: &str| guests.join(folder).join(module.id());
            built(place("plugins")).or_else(|_| built(place("test-plugins")))?;
            command.arg("--plugin").arg(module.id());
        }
        for model in &setting.models {
            built(
                guests
                    .join("models")
                    .join(format!("{}.wasm", model.def.name)),
            )?;
            let live = format!("{}={}", model.organisation, model.def.name);
            command.arg("--model").arg(live);
        }
        if variable("RONGQIAO_LOG").is_err() {
            command.env("RONGQIAO_LOG", "warn");
        }
        let mut child = match command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn() {
            Ok(child) => child,
            Err(error) => panic!("the stage does not start: {error}"),
        };
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            panic!("the stage has no input and output")
        };
        let mut stage = Self {
            child,
            input: Some(RefCell::new(input)),
            output: RefCell::new(BufReader::new(output)),
            url: String::new(),
            logins: BTreeMap::new(),
            plurals: plurals(setting),
            sessions: RefCell::default(),
            now: Cell::new(now.micros()),
        };
        let Told::Open { url, logins } = stage.hear() else {
            panic!("the stage did not open")
        };
        (stage.url, stage.logins) = (url, logins);
        Ok(stage)
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.now.get())
    }

    pub(crate) fn advance(&self, seconds: i64) {
        let Told::Now(now) = self.ask(&json!({ "advance": { "seconds": seconds } })) else {
            panic!("the stage did not move its clock")
        };
        self.now.set(now);
        // Sessions end by the clock; people sign in again.
        self.sessions.borrow_mut().clear();
    }

    pub(crate) fn events(&self) -> Vec<Event> {
        match self.ask(&json!("events")) {
            Told::Events(events) => events,
            _ => panic!("the stage did not tell its events"),
        }
    }

    fn ask(&self, question: &Value) -> Told {
        if let Some(input) = &self.input
            && let Err(error) = writeln!(input.borrow_mut(), "{question}")
        {
            panic!("the stage does not listen: {error}");
        }
        self.hear()
    }

    fn hear(&self) -> Told {
        let mut line = String::new();
        if let Err(error) = self.output.borrow_mut().read_line(&mut line) {
            panic!("the stage cannot be heard: {error}");
        }
        match serde_json::from_str(&line) {
            Ok(told) => told,
            Err(error) => panic!("the stage ended or is not understood ({error}): {line}"),
        }
    }

    /// A session of somebody who is signed in now; nobody's for no login.
    pub(crate) fn session(&self, login: Option<&str>) -> Result<Rc<Session>, Fault> {
        let key = login.unwrap_or_default();
        if let Some(session) = self.sessions.borrow().get(key) {
            return Ok(Rc::clone(session));
        }
        let mut session = Session::new(&self.url);
        if let Some(login) = login {
            let password = self
                .logins
                .get(login)
                .ok_or_else(|| Fault::forbidden(format!("no password for login {login}")))?;
            session.sign_in(login, password)?;
        }
        let session = Rc::new(session);
        self.sessions
            .borrow_mut()
            .insert(key.to_owned(), Rc::clone(&session));
        Ok(session)
    }

    pub(crate) fn act(&self, session: &Session, deed: &Deed<'_>) -> Result<Value, Fault> {
        let path = action_path(&self.plurals, deed.action, deed.id)?;
        session.act(&path, &deed.input, deed.key)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // The end of its input is its end, and its database's.
        self.input = None;
        let _ = self.child.wait();
    }
}

fn plurals(setting: &Setting) -> BTreeMap<String, String> {
    let of = |def: sdk_contract::def::ModuleDef| {
        let id = def.id;
        def.collections
            .into_iter()
            .map(move |c| (format!("{id}.{}", c.entity), c.name))
    };
    setting
        .modules
        .iter()
        .flat_map(|module| of(module.describe()))
        .collect()
}

/// `/api/v1/<plugin>/<plural>[/<id>]/<verb>` of `<plugin>.<entity>.<verb>`.
fn action_path(
    plurals: &BTreeMap<String, String>,
    action: &str,
    id: Option<&str>,
) -> Result<String, Fault> {
    let (entity, verb) = action.rsplit_once('.').ok_or_else(Fault::not_found)?;
    let plural = plurals.get(entity).ok_or_else(Fault::not_found)?;
    let plugin = entity.split('.').next().unwrap_or_default();
    let id = id.map(|id| format!("/{id}")).unwrap_or_default();
    Ok(format!("/api/v1/{plugin}/{plural}{id}/{verb}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_go_to_their_collections() {
        let plurals = BTreeMap::from([("lending.application".into(), "applications".into())]);
        let path = |action, id| action_path(&plurals, action, id).unwrap();
        assert_eq!(
            path("lending.application.apply", None),
            "/api/v1/lending/applications/apply"
        );
        assert_eq!(
            path("lending.application.submit", Some("7")),
            "/api/v1/lending/applications/7/submit"
        );
        assert!(action_path(&plurals, "lending.product.apply", None).is_err());
    }
}
