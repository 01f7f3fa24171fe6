//! The contract of `longshore::queue::Queue` as a suite, run over the emulator's store and over SQS's SDK.
//!
//! Each case is a function that panics with a reason when a queue breaks the promise in its name; `queue_contract!`
//! makes one test of each. The cases wait by tokio's clock: on a paused one they take no time, on a real one a few
//! seconds each.

mod emulated;
pub(crate) mod fifo;
pub(crate) mod hiding;
pub(crate) mod redriving;
pub(crate) mod sending;
pub(crate) mod settling;
mod steps;
pub(crate) mod waiting;

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;

use longshore::queue::Queue;

pub(crate) use self::emulated::EmulatorHarness;

/// The system that the queues are in, as the suite uses it.
pub(crate) trait Harness: Send + Sync {
    /// Creates a queue, and its dead-letter queue if it has one.
    fn fresh(&self, shape: Shape) -> BoxFuture<'_, Fixture>;

    /// A queue that does not exist.
    fn missing(&self) -> BoxFuture<'_, Arc<dyn Queue>>;

    /// The clock; the suite waits for minutes only on a paused one.
    fn clock(&self) -> Clock;
}

/// The clock of a system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clock {
    /// Tokio's paused clock, in the same process.
    Paused,
    /// The wall clock.
    Real,
}

/// The attributes of the queue of a case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Standard or FIFO.
    pub(crate) kind: Kind,
    /// `DelaySeconds`, whole seconds.
    pub(crate) delay: Duration,
    /// `maxReceiveCount` of the redrive policy; absent, there is no dead-letter queue.
    pub(crate) max_receive_count: Option<NonZeroU32>,
}

/// The types of queues.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A standard queue.
    #[default]
    Standard,
    /// A FIFO queue that takes the sender's deduplication ids.
    Fifo,
    /// A FIFO queue with `ContentBasedDeduplication`.
    FifoByContent,
}

impl Kind {
    /// The shape of a queue of this kind with default attributes.
    pub(crate) fn shape(self) -> Shape {
        Shape { kind: self, ..Shape::default() }
    }
}

/// The queues of a case.
#[derive(Clone)]
pub(crate) struct Fixture {
    /// The queue.
    pub(crate) queue: Arc<dyn Queue>,
    /// Its dead-letter queue, if the shape asked for one.
    pub(crate) dead_letters: Option<Arc<dyn Queue>>,
}

/// Makes one test of each case; takes the attribute of the tests and an expression of the [`Harness`], which may await.
macro_rules! queue_contract {
    ($(#[$test:meta])+ $harness:expr) => {
        queue_contract! { @each [$(#[$test])+] [$harness]
            fifo::a_duplicate_is_taken_once
            fifo::a_duplicate_is_taken_again_after_five_minutes
            fifo::a_group_is_closed_behind_a_message_in_flight
            fifo::a_group_is_open_before_a_message_in_flight
            fifo::a_late_delete_is_refused
            fifo::a_message_given_back_comes_before_its_successors
            fifo::a_message_without_a_group_fails_its_batch
            fifo::a_repeated_attempt_brings_the_same_messages
            fifo::an_attempt_without_its_messages_is_a_new_receive
            fifo::an_extended_message_closes_nothing_before_it
            fifo::equal_bodies_are_duplicates_by_content
            fifo::one_receive_takes_several_of_a_group_in_order
            fifo::sequence_numbers_grow
            hiding::a_change_after_the_delete_is_refused
            hiding::a_late_change_answers_ok_and_hides_nothing
            hiding::a_longer_visibility_keeps_a_message_hidden
            hiding::a_message_comes_back_with_a_higher_receive_count
            hiding::a_received_message_is_hidden
            hiding::an_older_receipt_still_changes_the_visibility
            hiding::the_twelve_hours_count_from_the_receive
            hiding::visibility_zero_gives_a_message_back_at_once
            redriving::a_dead_letter_keeps_what_it_was
            redriving::a_message_received_too_often_moves_at_the_next_receive
            redriving::a_move_task_moves_every_message_to_its_destination
            redriving::the_dead_letter_queue_is_opened_by_its_arn
            sending::a_batch_fails_by_entry
            sending::a_delayed_message_appears_after_its_delay
            sending::a_message_of_one_mebibyte_passes_and_no_larger_one
            sending::a_queue_delays_every_message
            sending::attributes_arrive_as_they_were_sent
            sending::bodies_arrive_byte_for_byte
            settling::a_deleted_message_never_comes_back
            settling::a_late_delete_deletes
            settling::a_missing_queue_is_given_up
            settling::a_queue_describes_itself
            settling::an_older_receipt_still_deletes
            settling::deleting_twice_is_fine
            settling::garbage_fails_alone_and_is_a_lost_lease
            waiting::a_dropped_receive_takes_nothing
            waiting::a_receive_without_messages_waits_its_time
            waiting::a_waiting_receive_is_answered_by_a_delay_that_ends
            waiting::a_waiting_receive_is_answered_by_a_freed_group
            waiting::a_waiting_receive_is_answered_by_a_message_given_back
            waiting::a_waiting_receive_is_answered_by_a_send
            waiting::a_waiting_receive_is_answered_by_a_visibility_that_ends
            waiting::each_message_goes_to_one_waiting_receive
        }
    };
    (@each $tests:tt $harness:tt $($group:ident::$case:ident)+) => {
        $(queue_contract! { @one $tests $harness $group::$case })+
    };
    (@one [$($test:tt)+] [$harness:expr] $group:ident::$case:ident) => {
        $($test)+
        async fn $case() {
            super::$group::$case(&$harness).await;
        }
    };
}

mod emulator_queue {
    use longshore_emulator::SqsAccount;

    use super::EmulatorHarness;

    queue_contract! { #[tokio::test(start_paused = true)] EmulatorHarness::new(SqsAccount::default()) }
}

mod sqs_queue {
    use std::sync::Arc;

    use futures_util::future::FutureExt as _;
    use longshore::queue::{
        Queue,
        sqs::{QueueAddress, SqsAccess, SqsQueue},
    };
    use longshore_emulator::Emulator;

    use super::EmulatorHarness;

    queue_contract! { #[tokio::test] through_the_server().await }

    /// A harness that opens its queues with the SDK through a server.
    async fn through_the_server() -> EmulatorHarness {
        let emulator = Arc::new(Emulator::start().await.unwrap());
        EmulatorHarness::new(emulator.sqs().clone())
            .opened_by(move |name| open(emulator.clone(), name).boxed())
    }

    async fn open(emulator: Arc<Emulator>, name: String) -> Arc<dyn Queue> {
        let address = QueueAddress::parse(&emulator.queue_url(&name)).unwrap();
        Arc::new(SqsQueue::open(&SqsAccess::default(), &address).await.unwrap())
    }
}
