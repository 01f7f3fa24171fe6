//! Networking that several HTTP clients share: one TLS implementation, and bare connections.

use std::io;

use rustls::crypto::{CryptoProvider, ring};
use tokio::net::TcpStream;
use url::{Host, Url};

/// Installs the process's TLS implementation, which reqwest needs for `http` URLs too.
///
/// One that other code installs at the same time serves as well.
pub(crate) fn provide_tls() {
    if CryptoProvider::get_default().is_none() {
        let _already_installed = ring::default_provider().install_default();
    }
}

/// Opens a TCP connection to the host and port of a URL.
pub(crate) async fn connect(url: &Url) -> io::Result<TcpStream> {
    let port = url.port_or_known_default().unwrap_or(80);
    match url.host() {
        Some(Host::Ipv4(ip)) => TcpStream::connect((ip, port)).await,
        Some(Host::Ipv6(ip)) => TcpStream::connect((ip, port)).await,
        Some(Host::Domain(name)) => TcpStream::connect((name, port)).await,
        None => Err(io::ErrorKind::AddrNotAvailable.into()),
    }
}
