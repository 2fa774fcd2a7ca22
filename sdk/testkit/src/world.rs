//! A scenario's world and the people in it.

use std::cell::Cell;

use sdk::Map;
use sdk_contract::call::{Caller, Event};
use sdk_contract::error::Fault;
use sdk_contract::page::Page;
use sdk_contract::scalar::{Date, Timestamp};
use serde_json::Value;

use crate::mock::Mock;
use crate::people::People;
use crate::scenario::Profile;
use crate::setting::Setting;
use crate::stage::{Missing, Stage};

/// Every scenario begins here: 2026-11-23 10:00 in Beijing.
const START: Timestamp = Timestamp::from_micros(1_795_399_200_000_000);

/// Where a scenario happens. Its clock stands still unless the scenario moves it.
pub struct World {
    at: At,
    people: People,
    keys: Cell<u32>,
}

enum At {
    Mock(Mock),
    Stage(Box<Stage>),
}

/// Somebody who does things. A login that is not there gets faults.
pub struct User<'w> {
    world: &'w World,
    caller: Caller,
    who: Result<Option<String>, Fault>,
}

/// One thing done: `<plugin>.<entity>.<verb>`, to one record or none.
pub(crate) struct Deed<'a> {
    pub(crate) action: &'a str,
    pub(crate) id: Option<&'a str>,
    pub(crate) input: Value,
    /// Idempotency key.
    pub(crate) key: &'a str,
}

impl World {
    /// Opens one where this profile has it, or says what is missing for it.
    ///
    /// # Panics
    /// When a module's declaration or one of its seeds is wrong, or the stage does not start.
    #[expect(clippy::panic, reason = "a scenario that cannot begin fails its test")]
    pub fn open(profile: Profile, setting: &Setting) -> Result<Self, Missing> {
        let people = match People::demo() {
            Ok(people) => people,
            Err(error) => panic!("host-config/demo.toml: {error}"),
        };
        let at = match profile {
            Profile::Mock => match Mock::load(setting, START) {
                Ok(mock) => At::Mock(mock),
                Err(what) => panic!("{what}"),
            },
            profile => At::Stage(Box::new(Stage::start(profile, setting, START)?)),
        };
        Ok(Self {
            at,
            people,
            keys: Cell::new(0),
        })
    }

    /// A user of `host-config/demo.toml`, by login.
    pub fn user(&self, login: &str) -> User<'_> {
        let caller = self.people.caller(login);
        let nobody = || Fault::forbidden(format!("no user {login} in host-config/demo.toml"));
        User {
            world: self,
            who: caller
                .is_some()
                .then(|| Some(login.to_owned()))
                .ok_or_else(nobody),
            caller: caller.unwrap_or_default(),
        }
    }

    /// Nobody in particular.
    pub fn anonymous(&self) -> User<'_> {
        User {
            world: self,
            caller: Caller::default(),
            who: Ok(None),
        }
    }

    pub fn now(&self) -> Timestamp {
        match &self.at {
            At::Mock(mock) => mock.now(),
            At::Stage(stage) => stage.now(),
        }
    }

    /// The day it is, in Beijing.
    pub fn today(&self) -> Date {
        self.now().local_date()
    }

    /// Moves the clock on. Events that are due by then have been delivered afterwards, and what
    /// modules do by the clock is done: once, however many of its moments were passed over.
    pub fn advance_days(&self, days: i64) {
        self.advance_seconds(days * 24 * 3600);
    }

    /// See [`World::advance_days`].
    pub fn advance_seconds(&self, seconds: i64) {
        match &self.at {
            At::Mock(mock) => mock.advance(seconds),
            At::Stage(stage) => stage.advance(seconds),
        }
    }

    /// What modules have said and their listeners have heard so far, oldest first.
    pub fn events(&self) -> Vec<Event> {
        match &self.at {
            At::Mock(mock) => mock.events(),
            At::Stage(stage) => stage.events(),
        }
    }

    fn next_key(&self) -> String {
        self.keys.set(self.keys.get() + 1);
        format!("scenario-{}", self.keys.get())
    }
}

impl User<'_> {
    /// Id of the party this user acts for.
    pub fn subject(&self) -> Option<&str> {
        self.caller.subject.as_deref()
    }

    pub fn organisation(&self) -> Option<&str> {
        self.caller.organisation.as_deref()
    }

    fn who(&self) -> Result<Option<&str>, Fault> {
        self.who
            .as_ref()
            .map(Option::as_deref)
            .map_err(Clone::clone)
    }

    /// Does `<plugin>.<entity>.<verb>`, to one record or none; answers with the action's result.
    pub fn act(&self, action: &str, id: Option<&str>, input: Value) -> Result<Value, Fault> {
        self.act_once(&self.world.next_key(), action, id, input)
    }

    /// The same with an idempotency key of the scenario's own.
    pub fn act_once(
        &self,
        key: &str,
        action: &str,
        id: Option<&str>,
        input: Value,
    ) -> Result<Value, Fault> {
        let who = self.who()?;
        let deed = Deed {
            action,
            id,
            input,
            key,
        };
        match &self.world.at {
            At::Mock(mock) => mock.act(&self.caller, &deed),
            At::Stage(stage) => stage.act(&*stage.session(who)?, &deed),
        }
    }

    /// One record of `<plugin>.<collection>`.
    pub fn get(&self, collection: &str, id: &str) -> Result<Map, Fault> {
        let who = self.who()?;
        match &self.world.at {
            At::Mock(mock) => mock.get(&self.caller, collection, id),
            At::Stage(stage) => stage.session(who)?.get(collection, id),
        }
    }

    /// What was done to a record by signed actions, oldest first: `<plugin>.<entity>.<verb>` each.
    pub fn signatures(&self, collection: &str, id: &str) -> Result<Vec<String>, Fault> {
        let who = self.who()?;
        match &self.world.at {
            At::Mock(mock) => mock.signatures(&self.caller, collection, id),
            At::Stage(stage) => stage.session(who)?.signatures(collection, id),
        }
    }

    /// Records of `<plugin>.<collection>`. `pairs` are those of the API's query string:
    /// `("status", "draft")`, `("sort", "-created_at")`, `("page", "2")`, `("size", "50")`,
    /// `("q", "…")`.
    ///
    /// # Panics
    /// On a refusal; see [`User::try_find`].
    #[expect(clippy::panic, reason = "a scenario that expected rows fails its test")]
    pub fn find(&self, collection: &str, pairs: &[(&str, &str)]) -> Vec<Map> {
        match self.try_find(collection, pairs) {
            Ok(records) => records,
            Err(fault) => panic!("find {collection}: {fault}"),
        }
    }

    /// See [`User::find`].
    pub fn try_find(&self, collection: &str, pairs: &[(&str, &str)]) -> Result<Vec<Map>, Fault> {
        let who = self.who()?;
        match &self.world.at {
            At::Mock(mock) => mock.list(&self.caller, collection, pairs),
            At::Stage(stage) => stage.session(who)?.find(collection, pairs),
        }
    }

    /// A page by its path, with a query if wanted: `/lending/applications?status=draft`.
    pub fn page(&self, path: &str) -> Result<Page, Fault> {
        let who = self.who()?;
        match &self.world.at {
            At::Mock(mock) => mock.page(&self.caller, path),
            At::Stage(stage) => stage.session(who)?.page(path),
        }
    }

    /// What this user has been told, newest first, as the API lists it: `id`, `at`, `title`, `text`
    /// (each `zh` and `en`), `path`, `read`. The newest 50.
    pub fn notices(&self) -> Result<Vec<Map>, Fault> {
        let who = self.who()?;
        match &self.world.at {
            At::Mock(mock) => mock.notices(&self.caller),
            At::Stage(stage) => stage.session(who)?.notices(),
        }
    }

    /// Marks one of them as read.
    pub fn read_notice(&self, id: &str) -> Result<(), Fault> {
        let who = self.who()?;
        match &self.world.at {
            At::Mock(mock) => mock.read_notice(&self.caller, id),
            At::Stage(stage) => stage.session(who)?.read_notice(id),
        }
    }

    /// The home page: all blocks this user may see.
    pub fn home(&self) -> Result<Page, Fault> {
        let who = self.who()?;
        match &self.world.at {
            At::Mock(mock) => Ok(mock.home(&self.caller)),
            At::Stage(stage) => stage.session(who)?.page("/"),
        }
    }
}
