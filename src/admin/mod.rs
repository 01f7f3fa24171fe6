//! The admin server: health, metrics and status on a port of its own.

mod settings;

pub use self::settings::Settings;
