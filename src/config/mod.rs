//! The settings of a whole process, composed of the settings of its parts.

mod file;
mod flags;
mod layers;
mod load;
mod otel;
mod reference;
mod report;
mod schema;
mod settings;
mod type_errors;
mod unknown_keys;
mod variables;

pub use self::{
    flags::{FLAGS, Flag, Flags},
    load::{Config, ConfigFile, Purpose, Sources, environment, load, search_path, surroundings},
    reference::reference,
    schema::schema,
    settings::{QueueSettings, Settings},
};
