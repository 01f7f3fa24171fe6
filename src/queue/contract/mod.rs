//! The suite that every queue runs through.
//!
//! Each case is a function that panics, with what went wrong, when a queue breaks the promise it is named
//! after. [`queue_contract!`](crate::queue_contract) makes one test of each:
//!
//! ```no_run
//! use longshore::queue::{contract::MemoryHarness, memory::Account};
//!
//! longshore::queue_contract! { #[tokio::test(start_paused = true)] MemoryHarness::new(Account::default()) }
//! # fn main() {}
//! ```
//!
//! The cases wait by tokio's clock: a paused one makes them instant, on a real one each takes a few seconds.

pub mod fifo;
pub mod hiding;
mod memory;
pub mod redriving;
pub mod sending;
pub mod settling;
mod steps;
pub mod waiting;

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;

pub use self::memory::MemoryHarness;
use super::Queue;

/// What the suite needs of the system that the queues are in.
pub trait Harness: Send + Sync {
    /// Makes a queue that nobody else uses, and its dead-letter queue if it has one.
    fn fresh(&self, shape: Shape) -> BoxFuture<'_, Fixture>;

    /// A queue that does not exist.
    fn missing(&self) -> BoxFuture<'_, Arc<dyn Queue>>;

    /// How time passes; minutes are waited for on a paused clock alone.
    fn clock(&self) -> Clock;
}

/// How time passes in a system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// By tokio's paused clock, in the same process.
    Paused,
    /// By the wall clock.
    Real,
}

/// The attributes of a queue that a case asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// Standard or FIFO.
    pub kind: Kind,
    /// `DelaySeconds`, whole seconds.
    pub delay: Duration,
    /// `maxReceiveCount` of the redrive policy; absent, there is no dead-letter queue.
    pub max_receive_count: Option<NonZeroU32>,
}

/// The kinds of queues.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// A standard queue.
    #[default]
    Standard,
    /// A FIFO queue that takes the sender's deduplication ids.
    Fifo,
    /// A FIFO queue with `ContentBasedDeduplication`.
    FifoByContent,
}

impl Kind {
    /// A shape of this kind with nothing else to it.
    pub fn shape(self) -> Shape {
        Shape { kind: self, ..Shape::default() }
    }
}

/// What a case works on.
#[derive(Clone)]
pub struct Fixture {
    /// The queue.
    pub queue: Arc<dyn Queue>,
    /// Its dead-letter queue, if the shape asked for one.
    pub dead_letters: Option<Arc<dyn Queue>>,
}

/// Makes one test of each case of the suite.
///
/// Takes the attribute of the tests and an expression that makes the [`Harness`], which may await.
#[macro_export]
macro_rules! queue_contract {
    ($(#[$test:meta])+ $harness:expr) => {
        $crate::queue_contract! { @each [$(#[$test])+] [$harness]
            fifo::a_duplicate_is_taken_once
            fifo::a_duplicate_is_taken_again_after_five_minutes
            fifo::a_group_in_flight_gives_nothing_while_others_do
            fifo::a_late_delete_is_refused
            fifo::a_message_given_back_comes_before_its_successors
            fifo::a_message_without_a_group_fails_its_batch
            fifo::a_repeated_attempt_brings_the_same_messages
            fifo::an_attempt_without_its_messages_is_a_new_receive
            fifo::equal_bodies_are_duplicates_by_content
            fifo::one_receive_takes_several_of_a_group_in_order
            fifo::sequence_numbers_grow
            hiding::a_change_after_the_delete_is_refused
            hiding::a_late_change_answers_ok_and_hides_nothing
            hiding::a_longer_visibility_keeps_a_message_hidden
            hiding::a_message_comes_back_with_a_higher_receive_count
            hiding::a_received_message_is_hidden
            hiding::an_older_receipt_changes_nothing
            hiding::the_twelve_hours_count_from_the_receive
            hiding::visibility_zero_gives_a_message_back_at_once
            redriving::a_dead_letter_keeps_what_it_was
            redriving::a_message_received_too_often_moves_at_the_next_receive
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
        $($crate::queue_contract! { @one $tests $harness $group::$case })+
    };
    (@one [$($test:tt)+] [$harness:expr] $group:ident::$case:ident) => {
        $($test)+
        async fn $case() {
            $crate::queue::contract::$group::$case(&$harness).await;
        }
    };
}
