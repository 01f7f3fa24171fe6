//! The actions of SQS and their table.

mod attributes;
mod moves;
mod queues;
mod receive;
mod send;
mod settle;

use self::{
    attributes::{
        AddPermission, GetQueueAttributes, ListQueueTags, RemovePermission, SetQueueAttributes, TagQueue,
        UntagQueue,
    },
    moves::{CancelMessageMoveTask, ListMessageMoveTasks, StartMessageMoveTask},
    queues::{CreateQueue, DeleteQueue, GetQueueUrl, ListDeadLetterSourceQueues, ListQueues, PurgeQueue},
    receive::ReceiveMessage,
    send::{SendMessage, SendMessageBatch},
    settle::{ChangeMessageVisibility, ChangeMessageVisibilityBatch, DeleteMessage, DeleteMessageBatch},
};
use super::{
    action::{ActionContext, SqsAction},
    error::RequestError,
    request::DecodedRequest,
};
use crate::sqs::SqsApiError;

macro_rules! table {
    ($($action:ident),+ $(,)?) => {
        /// Runs the requested action; returns the body of the response.
        pub(super) async fn perform(context: &ActionContext<'_>, request: &DecodedRequest) -> Result<Vec<u8>, RequestError> {
            check_path(context, &request.action)?;
            match request.action.as_str() {
                $($action::NAME => context.perform::<$action>(&request.parameters).await,)+
                unknown => Err(RequestError::UnknownAction(unknown.to_owned())),
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

/// Refuses at the URL of a queue the actions that are about none (recorded against AWS).
fn check_path(context: &ActionContext<'_>, action: &str) -> Result<(), RequestError> {
    let is_of_account = matches!(action, "CreateQueue" | "ListQueues");
    let is_queue = context.path.trim_matches('/').contains('/');
    if is_of_account && is_queue { Err(RequestError::UnknownAction(action.to_owned())) } else { Ok(()) }
}

/// The value of a required parameter.
fn required<T>(value: Option<T>, parameter: &str) -> Result<T, RequestError> {
    value.ok_or_else(|| SqsApiError::missing_parameter(parameter).into())
}
