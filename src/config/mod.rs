//! The settings of a whole process, composed of the settings of its parts.

mod file;
mod flags;
mod layers;
mod load;
mod network;
mod otel;
#[cfg(test)]
mod reference;
mod report;
mod schema;
mod settings;
mod texts;
mod type_errors;
mod unknown_keys;
mod variables;

#[cfg(all(any(test, fuzzing), feature = "cli"))]
#[path = "../../tests/fuzz/config.rs"]
pub(crate) mod fuzz;

#[cfg(test)]
pub(crate) use self::{flags::FLAGS, reference::reference};
pub(crate) use self::{
    flags::Flags,
    load::{
        Config, ConfigFile, Purpose, Sources, environment, load, search_path, surroundings, variable,
        withheld_variables,
    },
    schema::schema,
    settings::{QueueSettings, Settings},
    unknown_keys::nearest,
};
