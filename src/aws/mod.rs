//! What the clients of AWS's services share: how they are reached, and what their failures say.

mod failure;
mod reach;
mod settings;

pub use self::{
    failure::{CredentialsFault, Failure, Fate, Reach, credentials_fault},
    reach::{CALL, CALL_LIMIT, CONNECT, OUTER_MARGIN, Place, is_local, load},
    settings::Settings,
};
