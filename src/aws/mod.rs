//! What the clients of AWS's services share: how they are reached, and what their failures say.

mod config;
mod failure;
mod settings;

pub use self::{
    config::{CALL, CALL_LIMIT, CONNECT, OUTER_MARGIN, Place, is_local, load},
    failure::{CredentialsFault, Failure, Fate, Reach, credentials_fault},
    settings::Settings,
};
