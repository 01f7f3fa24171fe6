//! What the worker tells of itself: events, metrics and logs.

pub mod logs;
