//! The whole program: real processes over real sockets, on a queue that is served on this machine.
#![cfg(test)]

mod admin;
mod check;
mod deliver;
mod demo;
mod down;
mod ecs;
mod emulator;
mod envelopes;
mod examples;
mod exec;
mod fifo;
mod http_example;
mod kubernetes;
mod lambda;
mod logs;
mod lost;
mod network;
mod once;
mod outage;
mod payload;
mod queues;
mod reject;
mod resources;
mod send;
mod signals;
mod sns;
mod start;
mod stop;
mod strangers;
mod support;
