//! The settings of a whole process, composed of the settings of its parts.

mod blame;
mod file;
mod flags;
mod load;
mod otel;
mod reference;
mod report;
mod schema;
mod settings;
mod shape;
mod tree;
mod variables;

pub use self::{
    flags::{FLAGS, Flag, Flags},
    load::{Config, File, Purpose, Sources, environment, load, search_path, surroundings},
    reference::reference,
    schema::schema,
    settings::{QueueSettings, Settings},
    tree::Origin,
};
