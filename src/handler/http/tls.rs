//! The certificates of an https handler: those that are trusted, and the client's own.

use std::error::Error;

use reqwest::{Certificate, ClientBuilder, Identity};

use super::{HttpError, Settings};
use crate::{certificates, net, settings::Problem};

/// Adds the certificates to the client: with `ca_file` only its certificates are trusted.
pub(super) fn with_certificates(
    client: ClientBuilder,
    settings: &Settings,
) -> Result<ClientBuilder, HttpError> {
    let mut client = match &settings.ca_file {
        Some(path) => {
            let pem = certificates::read_trusted(path).map_err(|error| unusable("ca_file", error))?;
            let trusted = Certificate::from_pem_bundle(&pem).map_err(|error| unusable("ca_file", error))?;
            client.tls_certs_only(trusted)
        }
        None => net::trust_ca_bundle(client).map_err(|error| unusable("AWS_CA_BUNDLE", error))?,
    };
    if let Some(certificate) = &settings.client_cert_file {
        let key = settings.client_key_file.as_ref().unwrap_or(certificate);
        let pem = certificates::read_identity(certificate, key);
        let pem = pem.map_err(|error| unusable("client_cert_file", error))?;
        let identity = Identity::from_pem(&pem).map_err(|error| unusable("client_cert_file", error))?;
        client = client.identity(identity);
    }
    Ok(client)
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
