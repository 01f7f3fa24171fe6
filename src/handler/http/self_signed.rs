//! Trust in the certificates of a file, one that signed itself included.
//!
//! `openssl req -x509` makes the certificate of an authority, which rustls takes for no server's own. curl, Python
//! and Node do, where the file names that very certificate, and so does this.

use std::sync::Arc;

use rustls::{
    CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        VerifierBuilderError, WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_name,
    },
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::ParsedCertificate,
};

/// Trusts servers whose certificate is signed by one of these, or is one of these.
#[derive(Debug)]
pub(super) struct SelfSignedToo {
    trusted: Vec<CertificateDer<'static>>,
    by_signature: Arc<WebPkiServerVerifier>,
}

impl SelfSignedToo {
    /// Trust in these certificates alone.
    pub(super) fn new(trusted: Vec<CertificateDer<'static>>) -> Result<Self, VerifierBuilderError> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(trusted.iter().cloned());
        Ok(Self { trusted, by_signature: WebPkiServerVerifier::builder(roots.into()).build()? })
    }
}

/// True if the certificate is in order but for being an authority's; its time of validity was checked before.
fn is_authority(error: &Error) -> bool {
    let Error::InvalidCertificate(CertificateError::Other(cause)) = error else { return false };
    cause.0.downcast_ref() == Some(&webpki::Error::CaUsedAsEndEntity)
}

impl ServerCertVerifier for SelfSignedToo {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified =
            self.by_signature.verify_server_cert(certificate, intermediates, name, ocsp_response, now);
        match verified {
            Err(error) if is_authority(&error) && self.trusted.contains(certificate) => {
                verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
                Ok(ServerCertVerified::assertion())
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.by_signature.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.by_signature.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.by_signature.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, date_time_ymd};

    use super::*;

    /// As `openssl req -x509` makes it; valid in 2026.
    fn self_signed() -> CertificateDer<'static> {
        let mut parameters = CertificateParams::new(["localhost".to_owned()]).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        (parameters.not_before, parameters.not_after) =
            (date_time_ymd(2026, 1, 1), date_time_ymd(2027, 1, 1));
        parameters.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
    }

    /// Whether a certificate is taken of a server of this name, so many days after 2026 began.
    fn verified(
        trusted: &CertificateDer<'static>,
        own: &CertificateDer<'_>,
        name: &str,
        days: u64,
    ) -> Result<(), Error> {
        crate::net::provide_tls();
        let verifier = SelfSignedToo::new(vec![trusted.clone()]).unwrap();
        let (name, year) = (ServerName::try_from(name).unwrap(), Duration::from_hours(490_896));
        let now = UnixTime::since_unix_epoch(year + Duration::from_hours(24 * days));
        verifier.verify_server_cert(own, &[], &name, &[], now).map(|_verified| ())
    }

    #[test]
    fn a_certificate_that_signed_itself_is_trusted_under_its_name_while_it_is_valid() {
        let (own, other) = (self_signed(), self_signed());
        assert_eq!(verified(&own, &own, "localhost", 100), Ok(()));
        for (trusted, name, days) in
            [(&other, "localhost", 100), (&own, "example.com", 100), (&own, "localhost", 400)]
        {
            let error = verified(trusted, &own, name, days);
            assert!(matches!(error, Err(Error::InvalidCertificate(_))), "{name} {days}: {error:?}");
        }
    }
}
