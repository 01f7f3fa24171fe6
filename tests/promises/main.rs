//! The promises of `docs/delivery.md`, each proven on a paused clock by a whole worker over a queue in memory.

mod answers;
mod batches;
mod breaker;
mod calls_a_message;
mod deleting;
mod duplicates;
mod exhausting;
mod handler_down;
mod hiding;
mod histories;
mod input;
mod isolation;
mod losing;
mod mix;
mod ordering;
mod overtaking;
mod page;
mod permits;
mod polling;
mod preparing;
mod protecting;
mod rejecting;
mod rejecting_in_order;
mod retrying;
mod short_of_resources;
mod stopping;
