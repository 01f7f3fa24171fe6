//! A certificate authority of the test's own, and a TLS server in front of a plain one.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::tasks;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{
    RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
    server::WebPkiClientVerifier,
};
use tempfile::TempDir;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

/// A certificate authority, with files of its certificate and of a client's certificate and key.
pub(crate) struct Authority {
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
    directory: TempDir,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new(["localhost".to_owned()]).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let own = parameters.self_signed(&key).unwrap();
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("ca.pem"), own.pem()).unwrap();
        let certificate = own.der().clone();
        let authority = Self { certificate, issuer: Issuer::new(parameters, key), directory };
        let (client, key) = authority.issue("client");
        std::fs::write(authority.file("client.pem"), client.pem()).unwrap();
        std::fs::write(authority.file("client.key"), key.serialize_pem()).unwrap();
        authority
    }

    /// The path of one of its files: `ca.pem`, `client.pem` or `client.key`.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The path of its own certificate.
    pub(crate) fn ca_file(&self) -> String {
        self.file("ca.pem").to_str().unwrap().to_owned()
    }

    fn issue(&self, name: &str) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let parameters = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (parameters.signed_by(&key, &self.issuer).unwrap(), key)
    }
}

/// The clients that a TLS server takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clients {
    /// All.
    Any,
    /// Those with a certificate of the authority.
    Known,
}

/// A TLS server in front of a plain one.
pub(crate) struct TlsServer {
    pub(crate) address: SocketAddr,
    refusals: Arc<AtomicUsize>,
    serving: JoinHandle<()>,
}

impl TlsServer {
    /// Starts a server of this name, with a certificate of the authority.
    pub(crate) async fn before(server: &str, name: &str, authority: &Authority, clients: Clients) -> Self {
        let (certificate, key) = authority.issue(name);
        Self::with_certificate(server, certificate.der().clone(), &key, authority, clients).await
    }

    /// Starts a server whose certificate is the authority's own, as of `openssl req -x509`.
    pub(crate) async fn self_signed(server: &str, authority: &Authority) -> Self {
        let (certificate, key) = (authority.certificate.clone(), authority.issuer.key());
        Self::with_certificate(server, certificate, key, authority, Clients::Any).await
    }

    async fn with_certificate(
        server: &str,
        certificate: CertificateDer<'static>,
        key: &KeyPair,
        authority: &Authority,
        clients: Clients,
    ) -> Self {
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone());
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        let builder = match clients {
            Clients::Any => builder.with_no_client_auth(),
            Clients::Known => {
                let mut roots = RootCertStore::empty();
                roots.add(authority.certificate.clone()).unwrap();
                let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = builder.with_single_cert(vec![certificate], key).unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = server.to_owned();
        let refusals = Arc::<AtomicUsize>::default();
        let counted = refusals.clone();
        let serving = tasks::detach("tls", async move {
            while let Ok((client, _)) = listener.accept().await {
                tasks::detach(
                    "tls connection",
                    carry(acceptor.clone(), client, server.clone(), counted.clone()),
                );
            }
        });
        Self { address, refusals, serving }
    }

    /// The handshakes that failed.
    pub(crate) fn refusals(&self) -> usize {
        self.refusals.load(Ordering::SeqCst)
    }
}

impl Drop for TlsServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn carry(acceptor: TlsAcceptor, client: TcpStream, server: String, refusals: Arc<AtomicUsize>) {
    let Ok(mut client) = acceptor.accept(client).await else {
        refusals.fetch_add(1, Ordering::SeqCst);
        return;
    };
    let Ok(mut server) = TcpStream::connect(server).await else { return };
    // Clients close connections as they like.
    copy_bidirectional(&mut client, &mut server).await.unwrap_or_default();
}
