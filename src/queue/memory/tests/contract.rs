//! The memory queue keeps the contract, on a paused clock.

use crate::queue::{contract::MemoryHarness, memory::Account};

crate::queue_contract! { #[tokio::test(start_paused = true)] MemoryHarness::new(Account::default()) }
