//! The parts that the clients of all AWS services share: the SDK configuration, and the failures of calls.

mod config;
mod failure;
mod settings;

pub use self::{
    config::{AwsAccess, CALL, CALL_LIMIT, CONNECT, OUTER_MARGIN, ServiceLocation},
    failure::{CallFailure, CredentialsFault, FailureKind, SendState, credentials_fault},
    settings::Settings,
};
