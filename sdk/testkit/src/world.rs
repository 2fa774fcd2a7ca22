//! A scenario's world and the people in it.

use std::cell::Cell;

use sdk::Map;
use sdk::module::Module;
use sdk_contract::call::{Caller, Event};
use sdk_contract::error::Fault;
use sdk_contract::page::Page;
use sdk_contract::scalar::Timestamp;
use serde_json::Value;

use crate::mock::Mock;
use crate::people::People;
use crate::real::{Real, Session};

/// URL of a running server; scenarios run there when it is set.
const URL: &str = "RONGQIAO_SCENARIO_URL";
/// File of that server's logins and passwords.
const LOGINS: &str = "RONGQIAO_SCENARIO_LOGINS";

/// Where a scenario happens: in memory, or on a running server.
pub struct World {
    at: At,
    people: People,
    keys: Cell<u32>,
}

enum At {
    Mock(Mock),
    Real(Real),
}

/// Somebody who does things. A login that is not there gets faults.
pub struct User<'w> {
    world: &'w World,
    caller: Caller,
    hand: Result<Hand, Fault>,
}

/// One thing done: `<plugin>.<entity>.<verb>`, to one record or none.
pub(crate) struct Deed<'a> {
    pub(crate) action: &'a str,
    pub(crate) id: Option<&'a str>,
    pub(crate) input: Value,
    /// Idempotency key.
    pub(crate) key: &'a str,
}

/// What a user acts through.
enum Hand {
    Mock,
    Real(Box<Session>),
}

#[expect(clippy::panic, reason = "a scenario that cannot begin fails its test")]
impl World {
    /// The mock, with these modules and their demo seeds.
    ///
    /// # Panics
    /// When a module's declaration or one of its seeds is wrong.
    pub fn mock(modules: &[Module]) -> Self {
        match Mock::load(modules) {
            Ok(mock) => Self::at(At::Mock(mock)),
            Err(what) => panic!("{what}"),
        }
    }

    /// The server named by `RONGQIAO_SCENARIO_URL`; none when it is not set.
    ///
    /// # Panics
    /// When the file of logins, named by `RONGQIAO_SCENARIO_LOGINS`, cannot be read.
    #[expect(
        clippy::disallowed_methods,
        reason = "the runner says where the server is"
    )]
    pub fn host(modules: &[Module]) -> Option<Self> {
        let url = std::env::var(URL).ok()?;
        let Ok(logins) = std::env::var(LOGINS) else {
            panic!("{URL} is set, but {LOGINS} is not")
        };
        match Real::new(&url, &logins, modules) {
            Ok(real) => Some(Self::at(At::Real(real))),
            Err(error) => panic!("{logins}: {error}"),
        }
    }

    /// The server if there is one, else the mock.
    pub fn open(modules: &[Module]) -> Self {
        Self::host(modules).unwrap_or_else(|| Self::mock(modules))
    }

    fn at(at: At) -> Self {
        match People::demo() {
            Ok(people) => Self {
                at,
                people,
                keys: Cell::new(0),
            },
            Err(error) => panic!("host-config/demo.toml: {error}"),
        }
    }
}

impl World {
    /// A user of `host-config/demo.toml`, by login.
    pub fn user(&self, login: &str) -> User<'_> {
        let caller = self.people.caller(login);
        let hand = match (&self.at, &caller) {
            (_, None) => Err(Fault::forbidden(format!(
                "no user {login} in host-config/demo.toml"
            ))),
            (At::Mock(_), Some(_)) => Ok(Hand::Mock),
            (At::Real(real), Some(_)) => real.sign_in(login).map(|s| Hand::Real(Box::new(s))),
        };
        User {
            world: self,
            caller: caller.unwrap_or_default(),
            hand,
        }
    }

    /// Nobody in particular.
    pub fn anonymous(&self) -> User<'_> {
        let hand = match &self.at {
            At::Mock(_) => Hand::Mock,
            At::Real(real) => Hand::Real(Box::new(real.anonymous())),
        };
        User {
            world: self,
            caller: Caller::default(),
            hand: Ok(hand),
        }
    }

    /// The time of the mock; none on a server, whose clock is its own.
    pub fn now(&self) -> Option<Timestamp> {
        match &self.at {
            At::Mock(mock) => Some(mock.now()),
            At::Real(_) => None,
        }
    }

    /// Moves the mock's clock on. False on a server: a scenario that needs it ends there.
    #[must_use]
    pub fn advance_days(&self, days: i64) -> bool {
        self.advance_seconds(days * 24 * 3600)
    }

    /// See [`World::advance_days`].
    #[must_use]
    pub fn advance_seconds(&self, seconds: i64) -> bool {
        match &self.at {
            At::Mock(mock) => {
                mock.set_now(mock.now().plus_seconds(seconds));
                true
            }
            At::Real(_) => false,
        }
    }

    /// What modules have said so far, oldest first; none on a server.
    pub fn events(&self) -> Option<Vec<Event>> {
        match &self.at {
            At::Mock(mock) => Some(mock.events()),
            At::Real(_) => None,
        }
    }

    fn next_key(&self) -> String {
        self.keys.set(self.keys.get() + 1);
        // One process is one scenario run; another run of it must not meet the same keys.
        format!(
            "scenario-{}-{:p}-{}",
            std::process::id(),
            self,
            self.keys.get()
        )
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

    fn hand(&self) -> Result<&Hand, Fault> {
        self.hand.as_ref().map_err(Clone::clone)
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
        let deed = Deed {
            action,
            id,
            input,
            key,
        };
        match (self.hand()?, &self.world.at) {
            (Hand::Real(session), At::Real(real)) => real.act(session, &deed),
            (_, At::Mock(mock)) => mock.act(&self.caller, &deed),
            (Hand::Mock, At::Real(_)) => Err(Fault::internal("a mock user on a server")),
        }
    }

    /// One record of `<plugin>.<collection>`.
    pub fn get(&self, collection: &str, id: &str) -> Result<Map, Fault> {
        match (self.hand()?, &self.world.at) {
            (Hand::Real(session), _) => session.get(collection, id),
            (Hand::Mock, At::Mock(mock)) => mock.get(&self.caller, collection, id),
            (Hand::Mock, At::Real(_)) => Err(Fault::internal("a mock user on a server")),
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
        match (self.hand()?, &self.world.at) {
            (Hand::Real(session), _) => session.find(collection, pairs),
            (Hand::Mock, At::Mock(mock)) => mock.find(&self.caller, collection, pairs),
            (Hand::Mock, At::Real(_)) => Err(Fault::internal("a mock user on a server")),
        }
    }

    /// A page by its path, with a query if wanted: `/lending/applications?status=draft`.
    pub fn page(&self, path: &str) -> Result<Page, Fault> {
        match (self.hand()?, &self.world.at) {
            (Hand::Real(session), _) => session.page(path),
            (Hand::Mock, At::Mock(mock)) => mock.page(&self.caller, path),
            (Hand::Mock, At::Real(_)) => Err(Fault::internal("a mock user on a server")),
        }
    }

    /// The home page: all blocks this user may see.
    pub fn home(&self) -> Result<Page, Fault> {
        match (self.hand()?, &self.world.at) {
            (Hand::Real(session), _) => session.page("/"),
            (Hand::Mock, At::Mock(mock)) => mock.home(&self.caller),
            (Hand::Mock, At::Real(_)) => Err(Fault::internal("a mock user on a server")),
        }
    }
}
