//! A bare connection to where a URL points: the proof that something listens there.

use std::io;

use tokio::net::TcpStream;
use url::{Host, Url};

/// Opens a TCP connection to the host and port of a URL.
pub(super) async fn connect(url: &Url) -> io::Result<TcpStream> {
    let port = url.port_or_known_default().unwrap_or(80);
    match url.host() {
        Some(Host::Ipv4(ip)) => TcpStream::connect((ip, port)).await,
        Some(Host::Ipv6(ip)) => TcpStream::connect((ip, port)).await,
        Some(Host::Domain(name)) => TcpStream::connect((name, port)).await,
        None => Err(io::ErrorKind::AddrNotAvailable.into()),
    }
}
