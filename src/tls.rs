//! The one implementation of TLS that every client of HTTP but the SDK's uses.

use rustls::crypto::{CryptoProvider, ring};

use crate::telemetry::events;

/// Has one installed for the process, which reqwest asks for whatever the scheme.
pub(crate) fn provide() {
    if CryptoProvider::get_default().is_none() && ring::default_provider().install_default().is_err() {
        events::TlsProvidedTwice {}.emit();
    }
}
