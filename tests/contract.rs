//! The contract of queues over the emulator's store, and through the SDK over its server.
#![cfg(test)]
#![expect(clippy::unwrap_used, reason = "a harness that cannot be made fails its test")]

#[macro_use]
mod queue_contract;

mod emulator_queue {
    use longshore_emulator::SqsAccount;

    use crate::queue_contract::EmulatorHarness;

    queue_contract! { #[tokio::test(start_paused = true)] EmulatorHarness::new(SqsAccount::default()) }
}

mod sqs_queue {
    use std::sync::Arc;

    use futures_util::future::FutureExt as _;
    use longshore::queue::{
        Queue,
        sqs::{Address, AwsAccess, Sizes, SqsQueue},
    };
    use longshore_emulator::Emulator;

    use crate::queue_contract::EmulatorHarness;

    queue_contract! { #[tokio::test] through_the_server().await }

    /// A harness that opens its queues with the SDK through a server.
    async fn through_the_server() -> EmulatorHarness {
        let emulator = Arc::new(Emulator::start().await.unwrap());
        EmulatorHarness::new(emulator.sqs().clone())
            .opened_by(move |name| open(emulator.clone(), name).boxed())
    }

    async fn open(emulator: Arc<Emulator>, name: String) -> Arc<dyn Queue> {
        // Several receives of a case wait at once.
        let sizes = Sizes { pollers: 4, ..Sizes::default() };
        let address = Address::Url(emulator.queue_url(&name).parse().unwrap());
        Arc::new(SqsQueue::open(&AwsAccess::default(), &address, sizes).await.unwrap())
    }
}
