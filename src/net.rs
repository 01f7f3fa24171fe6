//! Networking that several HTTP clients share: TLS, trusted certificates, look-ups of hosts, and bare connections.

use std::{io, net::SocketAddr, panic::AssertUnwindSafe};

use futures_util::FutureExt as _;
use reqwest::{
    Certificate, ClientBuilder,
    dns::{Addrs, Name, Resolve, Resolving},
};
use rustix::io::Errno;
use rustls::crypto::{CryptoProvider, ring};
use tokio::net::{TcpStream, lookup_host};
use url::{Host, Url};

use crate::{aws, error_chain};

/// Installs the process's TLS implementation, which reqwest needs for `http` URLs too.
///
/// One that other code installs at the same time serves as well.
pub(crate) fn provide_tls() {
    if CryptoProvider::get_default().is_none() {
        let _already_installed = ring::default_provider().install_default();
    }
}

/// Trusts the certificates of `AWS_CA_BUNDLE` too, beside the system's.
pub(crate) fn trust_ca_bundle(client: ClientBuilder) -> reqwest::Result<ClientBuilder> {
    match ca_bundle() {
        Some(pem) => Ok(client.tls_certs_merge(Certificate::from_pem_bundle(pem)?)),
        None => Ok(client),
    }
}

/// The certificates of `AWS_CA_BUNDLE`, as PEM; the clients of AWS report a file that cannot be used.
pub(crate) fn ca_bundle() -> Option<&'static [u8]> {
    aws::Network::of_process().ok()?.ca_bundle()
}

/// The innermost error's message: the outer ones repeat the URL, which may contain a password.
pub(crate) fn root_cause(error: &reqwest::Error) -> String {
    error_chain::causes(error).last().map_or_else(|| "the request failed".to_owned(), ToString::to_string)
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
