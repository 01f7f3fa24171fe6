//! The actions about permissions, which an account without identities cannot have.

use serde::Deserialize;

use crate::{
    dev::sqs_server::{
        call::{Action, Call, Nothing},
        refusal::Refusal,
    },
    queue::memory::{Code, Fault},
};

/// `AddPermission`.
#[derive(Debug, Deserialize)]
pub(super) struct AddPermission {}

impl Action for AddPermission {
    const NAME: &'static str = "AddPermission";
    type Answer = Nothing;

    async fn run(self, _: &Call<'_>) -> Result<Nothing, Refusal> {
        Err(unsupported())
    }
}

/// `RemovePermission`.
#[derive(Debug, Deserialize)]
pub(super) struct RemovePermission {}

impl Action for RemovePermission {
    const NAME: &'static str = "RemovePermission";
    type Answer = Nothing;

    async fn run(self, _: &Call<'_>) -> Result<Nothing, Refusal> {
        Err(unsupported())
    }
}

fn unsupported() -> Refusal {
    Fault::new(Code::UnsupportedOperation, "This server checks no permissions, so it keeps none.").into()
}
