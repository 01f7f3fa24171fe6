//! Problems in settings: how every part reports them, and the rules that several parts share.
//!
//! A part validates its own settings with `validate() -> Vec<Problem>`, whose keys are relative to the part. The
//! configuration and the library's builders call the same function; the configuration adds where a value came from.

mod key;
mod problem;
mod rules;
mod secret;

pub use self::{
    key::Key,
    problem::{Problem, Problems},
    secret::hide,
};
pub(crate) use self::{
    key::{are_alike, quoted},
    problem::within,
    rules::{at_most, http_url, in_range, not_allowed, whole_seconds},
    secret::{HIDDEN, holds_secrets},
};
