//! Networking that several HTTP clients share: one TLS implementation, look-ups of hosts, and bare connections.

use std::{io, net::SocketAddr, panic::AssertUnwindSafe};

use futures_util::FutureExt as _;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use rustix::io::Errno;
use rustls::crypto::{CryptoProvider, ring};
use tokio::net::{TcpStream, lookup_host};
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
        Some(Host::Domain(name)) => TcpStream::connect(&*look_up(name, port).await?).await,
        None => Err(io::ErrorKind::AddrNotAvailable.into()),
    }
}

/// Looks up the addresses of a host.
async fn look_up(name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    // Tokio panics when the system starts no thread for the look-up.
    let addresses = AssertUnwindSafe(lookup_host((name, port))).catch_unwind().await;
    addresses.unwrap_or_else(|_panic| Err(Errno::AGAIN.into())).map(Iterator::collect)
}

/// Looks up hosts for HTTP clients, and reports the system's refusal of a thread as an error.
pub(crate) struct Resolver;

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let addresses = look_up(name.as_str(), 0).await?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}
