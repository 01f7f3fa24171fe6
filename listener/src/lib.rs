//! The HTTP listener of Longshore's servers: HTTP/1.1 with limits on slow, idle and greedy clients.
//!
//! [`HttpListener`] serves an `axum` router. Every wait for a client has a limit ([`ListenerLimits`]), and when all
//! connections are taken, a new one takes the place of the one that has waited for its client for longest; it is refused
//! with a 503 only if every connection waits for the server. HTTP/2 is not spoken.
//!
//! Every request has the [`ClientAddress`] among its extensions.
//!
//! [`AllowedHosts`] recognizes the requests that a foreign web page makes a browser send ([`ForeignRequest`]).

mod connection;
mod foreign;
mod limits;
mod server;
mod stream;

pub use self::{
    connection::CloseReason,
    foreign::{AllowedHosts, ForeignRequest},
    limits::ListenerLimits,
    server::{ClientAddress, HttpListener},
    stream::ClientStream,
};
