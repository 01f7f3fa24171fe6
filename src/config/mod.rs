//! The settings of a whole process, composed of the settings of its parts.

mod blame;
mod file;
mod flags;
mod key;
mod load;
mod otel;
mod problem;
mod reference;
mod report;
mod rules;
mod schema;
mod secret;
mod settings;
mod shape;
mod tree;
mod variables;

pub use self::{
    flags::{FLAGS, Flag, Flags},
    key::Key,
    load::{Config, File, Purpose, Sources, environment, load, search_path, surroundings},
    problem::{Problem, Problems},
    reference::reference,
    schema::schema,
    secret::hide,
    settings::{QueueSettings, Settings},
    tree::Origin,
};
