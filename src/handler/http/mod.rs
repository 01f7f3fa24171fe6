//! The `http` kind: each message is posted to a program with an HTTP port.

mod settings;

pub use self::settings::Settings;
