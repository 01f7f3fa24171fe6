//! The one implementation of TLS that the clients of handlers use.

use rustls::crypto::{CryptoProvider, ring};

use crate::telemetry::events;

/// Has one installed for the process, which reqwest asks for whatever the scheme.
pub(super) fn provide() {
    if CryptoProvider::get_default().is_none() && ring::default_provider().install_default().is_err() {
        events::TlsProvidedTwice {}.emit();
    }
}
