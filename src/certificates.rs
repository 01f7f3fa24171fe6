//! Certificates in PEM files: those that are trusted, and a client's own with its key.

use std::{
    io,
    path::{Path, PathBuf},
};

use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// A file of certificates or keys that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PemError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// The file has no usable certificate.
    #[error("no certificate in pem that can be used: {}", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// The file has no usable key.
    #[error("no private key in pem that can be used: {}", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
    },
}

/// Reads the trusted certificates of a file, as PEM.
///
/// Leaves out the certificates that rustls does not take, which bundles of systems may contain.
pub(crate) fn read_trusted(path: &Path) -> Result<Vec<u8>, PemError> {
    let text = read(path)?;
    let text = String::from_utf8_lossy(&text);
    let sections = text.split_inclusive(END).filter_map(|section| Some(&section[section.find(BEGIN)?..]));
    let usable: Vec<&str> = sections.filter(|section| is_trust_anchor(section)).collect();
    if usable.is_empty() {
        return Err(PemError::NoCertificate { path: path.to_owned() });
    }
    Ok(usable.join("\n").into_bytes())
}

fn is_trust_anchor(section: &str) -> bool {
    let certificate = CertificateDer::from_pem_slice(section.as_bytes());
    certificate.is_ok_and(|certificate| RootCertStore::empty().add(certificate).is_ok())
}

/// Reads a client's certificate chain and its private key, as one PEM; both may be in one file.
pub(crate) fn read_identity(certificate: &Path, key: &Path) -> Result<Vec<u8>, PemError> {
    let (mut chain, private_key) = (read(certificate)?, read(key)?);
    if CertificateDer::from_pem_slice(&chain).is_err() {
        return Err(PemError::NoCertificate { path: certificate.to_owned() });
    }
    if PrivateKeyDer::from_pem_slice(&private_key).is_err() {
        return Err(PemError::NoKey { path: key.to_owned() });
    }
    if certificate != key {
        chain.push(b'\n');
        chain.extend(private_key);
    }
    Ok(chain)
}

fn read(path: &Path) -> Result<Vec<u8>, PemError> {
    std::fs::read(path).map_err(|source| PemError::Unreadable { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    fn signed() -> (String, String) {
        let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        (own.cert.pem(), own.signing_key.serialize_pem())
    }

    #[test]
    fn the_usable_certificates_of_a_bundle_are_trusted() {
        let (certificate, _) = signed();
        let bundle = written(&format!("# a comment\n{certificate}\n{BEGIN}\nAAAA\n{END}\n{certificate}"));
        let trusted = String::from_utf8(read_trusted(bundle.path()).unwrap()).unwrap();
        assert_eq!(trusted.matches(BEGIN).count(), 2, "{trusted}");
    }

    #[test]
    fn a_file_without_certificates_or_key_is_named() {
        let (certificate, key) = signed();
        let (empty, certificate, key) = (written("none"), written(&certificate), written(&key));
        let missing = Path::new("/no/such/ca.pem");
        for (error, path) in [
            (read_trusted(missing).unwrap_err(), missing),
            (read_trusted(key.path()).unwrap_err(), key.path()),
            (read_identity(empty.path(), key.path()).unwrap_err(), empty.path()),
            (read_identity(certificate.path(), empty.path()).unwrap_err(), empty.path()),
        ] {
            assert!(error.to_string().contains(&path.display().to_string()), "{error}");
        }
        assert!(read_identity(certificate.path(), key.path()).is_ok());
    }
}
