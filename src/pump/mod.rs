//! The engine of one queue: receive, hold, run, settle.

mod settings;

pub use self::settings::{Prefetch, ReceiveSettings};
