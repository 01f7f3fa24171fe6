//! The one implementation of TLS that every client of HTTP but the SDK's uses.

use rustls::crypto::{CryptoProvider, ring};

/// Has one installed for the process, which reqwest asks for whatever the scheme.
pub(crate) fn provide() {
    if CryptoProvider::get_default().is_none() && ring::default_provider().install_default().is_err() {
        tracing::debug!("another tls provider was installed at the same time");
    }
}
