//! The action that receives messages, waiting for them if it is told to.

use serde::Deserialize;

use crate::{
    dev::sqs_server::{
        attribute::Choice,
        call::{Action, Call},
        messages::Messages,
        refusal::Refusal,
    },
    queue::memory::{self, Fault, Receive},
};

/// `ReceiveMessage`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ReceiveMessage {
    queue_url: Option<String>,
    /// The older name of `MessageSystemAttributeNames`; what either names is answered.
    #[serde(alias = "AttributeName")]
    attribute_names: Option<Vec<String>>,
    #[serde(alias = "MessageSystemAttributeName")]
    message_system_attribute_names: Option<Vec<String>>,
    #[serde(alias = "MessageAttributeName")]
    message_attribute_names: Option<Vec<String>>,
    max_number_of_messages: Option<i64>,
    visibility_timeout: Option<i64>,
    wait_time_seconds: Option<i64>,
    receive_request_attempt_id: Option<String>,
}

impl ReceiveMessage {
    fn receive(&self) -> Result<Receive, Refusal> {
        let max = self.max_number_of_messages.unwrap_or(1);
        let max = usize::try_from(max).map_err(|_| {
            Fault::invalid_parameter("MaxNumberOfMessages", max, "Must be between 1 and 10, if provided.")
        })?;
        let seconds = |name, value: Option<i64>| value.map(|value| memory::seconds(name, value)).transpose();
        Ok(Receive {
            max,
            wait: seconds("WaitTimeSeconds", self.wait_time_seconds)?,
            visibility: seconds("VisibilityTimeout", self.visibility_timeout)?,
            attempt_id: self.receive_request_attempt_id.clone(),
        })
    }
}

impl Action for ReceiveMessage {
    const NAME: &'static str = "ReceiveMessage";
    type Answer = Messages;

    async fn run(self, call: &Call<'_>) -> Result<Messages, Refusal> {
        let queue = call.queue_name(self.queue_url.as_deref())?;
        let receiving = call.account.receive(&queue, self.receive()?);
        // A dropped receive takes nothing, so a stop and a hang-up cost no message its visibility.
        let received = tokio::select! {
            biased;
            received = receiving => received?,
            () = call.stop.draining() => Vec::new(),
        };
        let system = [self.attribute_names, self.message_system_attribute_names];
        Ok(Messages {
            received,
            system: Choice::new(system.into_iter().flatten().flatten()),
            attributes: Choice::new(self.message_attribute_names.into_iter().flatten()),
        })
    }
}
