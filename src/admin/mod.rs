//! The admin server: health, metrics and status over HTTP, on a port of its own.

mod router;
mod server;
mod settings;

pub use self::{
    router::AdminSource,
    server::{AdminListener, AdminServer},
    settings::Settings,
};
