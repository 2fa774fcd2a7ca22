//! What a plugin may ask of the world outside: one trait, so that the same plugin code runs in a
//! component and in a native test.

use sdk_contract::call::{ScoreRequest, Scored};
use sdk_contract::error::Fault;
use sdk_contract::query::{Aggregate, Found, Group, Query, Step};

use crate::Map;

/// How urgent a log line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

/// The kernel, or what stands in for it. Everything is read as the calling principal: what it may
/// not see does not exist. Collections are `<plugin>.<collection>`, or the module's own.
pub trait Host {
    fn get(&self, collection: &str, id: &str) -> Result<Option<Map>, Fault>;
    fn find(&self, query: &Query) -> Result<Found, Fault>;
    fn aggregate(&self, aggregate: &Aggregate) -> Result<Vec<Group>, Fault>;
    /// Oldest first.
    fn steps(&self, collection: &str, id: &str) -> Result<Vec<Step>, Fault>;
    fn score(&self, request: &ScoreRequest) -> Result<Scored, Fault>;
    /// SM3, lower-case hex.
    fn digest(&self, data: &[u8]) -> String;
    /// One line, cut at 1 KiB.
    fn log(&self, level: Level, message: &str);
}
