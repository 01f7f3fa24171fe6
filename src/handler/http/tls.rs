//! The certificates of an https handler: those that are trusted, and the client's own.

use std::{error::Error, path::Path, sync::Arc};

use reqwest::{ClientBuilder, Identity};
use rustls::{
    ClientConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};

use super::{HttpError, Settings, self_signed::SelfSignedToo};
use crate::{certificates, net, settings::Problem};

/// Adds the certificates to the client: with `ca_file` only its certificates are trusted.
pub(super) fn with_certificates(
    client: ClientBuilder,
    settings: &Settings,
) -> Result<ClientBuilder, HttpError> {
    let own = own_certificate(settings)?;
    let Some(trusted) = &settings.ca_file else {
        let client = net::trust_ca_bundle(client).map_err(|error| unusable("AWS_CA_BUNDLE", error))?;
        let Some(pem) = own else { return Ok(client) };
        return Ok(client.identity(Identity::from_pem(&pem).map_err(unusable_own)?));
    };
    let config =
        ClientConfig::builder().dangerous().with_custom_certificate_verifier(Arc::new(verifier(trusted)?));
    let config = match own {
        None => config.with_no_client_auth(),
        Some(pem) => {
            let chain =
                CertificateDer::pem_slice_iter(&pem).collect::<Result<_, _>>().map_err(unusable_own)?;
            let key = PrivateKeyDer::from_pem_slice(&pem).map_err(unusable_own)?;
            config.with_client_auth_cert(chain, key).map_err(unusable_own)?
        }
    };
    Ok(client.tls_backend_preconfigured(config))
}

fn verifier(trusted: &Path) -> Result<SelfSignedToo, HttpError> {
    let pem = certificates::read_trusted(trusted).map_err(|error| unusable("ca_file", error))?;
    let trusted = CertificateDer::pem_slice_iter(&pem).collect::<Result<_, _>>();
    let trusted = trusted.map_err(|error| unusable("ca_file", error))?;
    SelfSignedToo::new(trusted).map_err(|error| unusable("ca_file", error))
}

/// The client's certificate chain and its key, as PEM.
fn own_certificate(settings: &Settings) -> Result<Option<Vec<u8>>, HttpError> {
    let Some(certificate) = &settings.client_cert_file else { return Ok(None) };
    let key = settings.client_key_file.as_ref().unwrap_or(certificate);
    certificates::read_identity(certificate, key).map(Some).map_err(unusable_own)
}

fn unusable_own(source: impl Error + Send + Sync + 'static) -> HttpError {
    unusable("client_cert_file", source)
}

fn unusable(setting: &'static str, source: impl Error + Send + Sync + 'static) -> HttpError {
    HttpError::Certificates { setting, source: source.into() }
}

/// Finds certificates of a handler without TLS, and a key without a certificate.
pub(super) fn validate(settings: &Settings) -> impl Iterator<Item = Problem> {
    let is_http = settings.url.scheme() == "http";
    let files = [("ca_file", &settings.ca_file), ("client_cert_file", &settings.client_cert_file)];
    let without_tls = files.into_iter().filter(move |(_, file)| is_http && file.is_some());
    let without_tls = without_tls.map(|(key, _)| {
        Problem::new(key, "the handler is called without TLS").with_hint("give it an https url")
    });
    let is_bare_key = settings.client_key_file.is_some() && settings.client_cert_file.is_none();
    let bare_key = is_bare_key.then(|| {
        Problem::new("client_key_file", "the key has no certificate")
            .with_hint("name its certificate with client_cert_file")
    });
    without_tls.chain(bare_key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(settings: &Settings) -> Vec<String> {
        validate(settings).map(|problem| problem.key().unwrap().to_string()).collect()
    }

    #[test]
    fn certificates_are_for_https_and_a_key_is_for_a_certificate() {
        let of = |url: &str| Settings::new(url).unwrap();
        let both = |url: &str| of(url).ca_file("ca.pem").client_certificate("own.pem", "own.key");
        assert_eq!(keys(&both("https://h/")), Vec::<String>::new());
        assert_eq!(keys(&both("http://h/")), ["ca_file", "client_cert_file"]);
        let bare = Settings { client_key_file: Some("own.key".into()), ..of("https://h/") };
        assert_eq!(keys(&bare), ["client_key_file"]);
    }

    #[test]
    fn a_file_that_cannot_be_used_is_named() {
        let settings = Settings::new("https://h/").unwrap();
        for settings in [
            settings.clone().ca_file("/no/such.pem"),
            settings.client_certificate("/no/such.pem", "/no/such.key"),
        ] {
            let error = crate::handler::http::HttpHandler::new(settings, "orders").unwrap_err().to_string();
            assert!(error.contains("_file: cannot read /no/such.pem"), "{error}");
        }
    }
}
