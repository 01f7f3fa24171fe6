//! The admin server: health, metrics and status on a port of its own.

mod page;
mod router;
mod server;
mod settings;

pub use self::{
    router::{Report, router},
    server::serve,
    settings::Settings,
};
