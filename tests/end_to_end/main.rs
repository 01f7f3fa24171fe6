//! The whole program: real processes over real sockets, on a queue that is served on this machine.
#![cfg(test)]

mod admin;
mod contract;
mod deliver;
mod demo;
mod down;
mod examples;
mod lost;
mod queues;
mod send;
mod silent;
mod start;
mod stop;
mod strangers;
mod support;
