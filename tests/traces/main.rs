//! Traces, logs and exported metrics of real processes, and the effect of a failing collector.
#![cfg(test)]

mod canaries;
mod collector;
mod config;
#[path = "../support/example.rs"]
mod example;
mod handlers;
mod logs;
mod metrics;
mod real_collector;
mod secure;
mod spans;
mod trouble;

#[expect(dead_code, unused_imports, reason = "the other tests of whole processes use the rest")]
#[path = "../end_to_end/support/mod.rs"]
mod support;
