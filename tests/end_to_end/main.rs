//! The whole program: real processes over real sockets, on a queue that is served on this machine.
#![cfg(test)]

mod admin;
mod aws_credentials;
mod aws_endpoints;
mod check;
mod deliver;
mod demo;
mod down;
mod ecs;
mod emulator;
mod envelopes;
mod examples;
mod exec;
mod exhausted;
mod fifo;
mod http_example;
mod http_settings;
mod kubernetes;
mod lambda;
mod limits;
mod logs;
mod lost;
mod network;
mod once;
mod outage;
mod queues;
mod reject;
mod resources;
mod routes;
mod send;
mod signals;
mod sns;
mod start;
mod stop;
mod strangers;
mod support;
