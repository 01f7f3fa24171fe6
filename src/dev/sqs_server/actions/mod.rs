//! The actions of SQS, one type each, and the table that finds them by name.

mod attributes;
mod moves;
mod permissions;
mod queues;
mod receive;
mod send;
mod settle;
mod tags;

use self::{
    attributes::{GetQueueAttributes, SetQueueAttributes},
    moves::{CancelMessageMoveTask, ListMessageMoveTasks, StartMessageMoveTask},
    permissions::{AddPermission, RemovePermission},
    queues::{CreateQueue, DeleteQueue, GetQueueUrl, ListDeadLetterSourceQueues, ListQueues, PurgeQueue},
    receive::ReceiveMessage,
    send::{SendMessage, SendMessageBatch},
    settle::{ChangeMessageVisibility, ChangeMessageVisibilityBatch, DeleteMessage, DeleteMessageBatch},
    tags::{ListQueueTags, TagQueue, UntagQueue},
};
use super::{
    asked::Asked,
    call::{Action, Call},
    refusal::Refusal,
};

/// Finds the action by its name and performs it, which gives the body of the answer.
macro_rules! table {
    ($($action:ident),+ $(,)?) => {
        pub(super) async fn perform(call: &Call<'_>, asked: &Asked) -> Result<Vec<u8>, Refusal> {
            match asked.action.as_str() {
                $($action::NAME => call.perform::<$action>(&asked.parameters).await,)+
                unknown => Err(Refusal::UnknownAction(unknown.to_owned())),
            }
        }
    };
}

table! {
    AddPermission,
    CancelMessageMoveTask,
    ChangeMessageVisibility,
    ChangeMessageVisibilityBatch,
    CreateQueue,
    DeleteMessage,
    DeleteMessageBatch,
    DeleteQueue,
    GetQueueAttributes,
    GetQueueUrl,
    ListDeadLetterSourceQueues,
    ListMessageMoveTasks,
    ListQueueTags,
    ListQueues,
    PurgeQueue,
    ReceiveMessage,
    RemovePermission,
    SendMessage,
    SendMessageBatch,
    SetQueueAttributes,
    StartMessageMoveTask,
    TagQueue,
    UntagQueue,
}

/// A parameter that must be there.
fn required<T>(value: Option<T>, parameter: &str) -> Result<T, Refusal> {
    value.ok_or_else(|| crate::queue::memory::Fault::missing_parameter(parameter).into())
}
