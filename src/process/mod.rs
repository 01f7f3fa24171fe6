//! Programs in process groups of their own, of which nothing is left behind.
//!
//! A program may start others, and a shell always does, so whatever is done to it is done to its whole group. The
//! group's id is safe to signal for as long as its leader has not been reaped: until then the system gives the id
//! to nobody else. So a [`Process`] waits for its leader's end without reaping it, kills whoever is left, and only
//! then reaps. As the first process of a container it reaps the orphans, too.

mod command;
mod group;
mod output;
mod running;

pub use self::{
    command::{Command, StartError, Stdin},
    output::{LINE_BYTES, Output, OutputLine},
    running::{Process, signal_name},
};
