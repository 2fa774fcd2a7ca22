//! People, organisations and sessions, and the one function that decides access.
//!
//! Users, organisations and sessions are ordinary collections of the native module `platform`,
//! so they are stored, encrypted and evolved like everybody else's. Deliberately absent: HTTP
//! (cookies, headers) and any business role; role names come from plugins' declarations.

pub mod account;
pub mod apps;
pub mod decide;
pub mod demo;
pub mod duty;
pub mod error;
pub mod factor;
pub mod first;
mod login;
pub mod module;
pub mod network;
pub mod password_rules;
mod people;
pub mod principal;
pub mod session;
mod throttle;

pub use throttle::ThrottlePolicy;
