//! People, organisations and sessions, and the one function that decides access.
//!
//! Users, organisations and sessions are ordinary collections of the native module `platform`,
//! so they are stored, encrypted and evolved like everybody else's. Deliberately absent: HTTP
//! (cookies, headers) and any business role; role names come from plugins' declarations.

pub mod account;
pub mod apps;
pub mod certificates;
pub mod challenge;
pub mod claims;
pub mod clearance;
pub mod composed;
mod counting;
pub mod decide;
pub mod demo;
pub mod directory;
pub mod duty;
pub mod error;
pub mod factor;
pub mod federation;
pub mod first;
pub mod grants;
pub mod history;
pub mod invitations;
pub mod issued;
pub mod leavers;
pub mod lifts;
mod login;
pub mod merging;
pub mod module;
pub mod network;
pub mod offer;
pub mod outside;
pub mod own;
pub mod password_rules;
mod people;
pub mod peppers;
pub mod posts;
pub mod principal;
pub mod providers;
mod queue;
pub mod refusal;
pub mod registration;
pub mod resets;
pub mod reviews;
mod revocation;
pub mod roles;
pub mod sealed;
pub mod security_keys;
pub mod separation;
pub mod session;
pub mod step_up;
mod throttle;
pub mod tree;
pub mod two_person;

pub use throttle::ThrottlePolicy;
