//! The one implementation of TLS that every client of HTTP but the SDK's uses.

use rustls::crypto::{CryptoProvider, ring};

/// Has one installed for the process, which reqwest asks for whatever the scheme.
///
/// If somebody else installs one at the same time, that one serves as well.
pub(crate) fn provide() {
    if CryptoProvider::get_default().is_none() {
        let _installed_meanwhile = ring::default_provider().install_default();
    }
}
