//! The network of AWS calls: proxies, trusted certificates, and the HTTP client that uses both.

use std::{
    collections::HashMap,
    error::Error,
    fmt,
    path::Path,
    sync::{Arc, LazyLock, Mutex, Once, PoisonError, Weak},
};

use aws_sdk_sqs::config::{ConfigBag, SharedHttpClient};
use aws_smithy_http_client::{
    Builder, Connector,
    tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        http::{HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector},
        orchestrator::{HttpRequest, HttpResponse},
        result::ConnectorError,
        runtime_components::{RuntimeComponents, RuntimeComponentsBuilder},
    },
};
use tokio::runtime::{self, Handle};
use url::Url;

use super::proxy::{Proxies, Proxy};
use crate::{
    certificates,
    error_chain::message_with_causes,
    settings::{Problem, Problems, of_variable},
};

/// The variable with the certificates that AWS calls trust, in place of the system's.
const CA_BUNDLE: &str = "AWS_CA_BUNDLE";
/// The variable with the certificates that stand for the system's, which rustls reads by itself.
const SYSTEM_CERTIFICATES: &str = "SSL_CERT_FILE";

/// The status with which a proxy demands credentials.
const PROXY_AUTHENTICATION_REQUIRED: u16 = 407;
/// The words about a proxy that demands credentials.
const DEMANDS_CREDENTIALS: &str = "it demands other credentials (status 407)";
/// The words by which the HTTP client says that a proxy answers CONNECT with 407, and with another refusal.
const TUNNEL_UNAUTHORIZED: &str = "tunnel error: proxy authorization required";
const TUNNEL_REFUSED: &str = "tunnel error: unsuccessful";
/// The words by which every failure of a call through a proxy names it.
const THROUGH: &str = "through the proxy ";
/// The words of a proxy that opens no tunnel.
const REFUSES_TUNNEL: &str = "the proxy refuses a tunnel to";

/// The network of AWS calls by the environment.
#[derive(Clone, Debug)]
pub(crate) struct Network {
    proxies: Arc<Proxies>,
    tls: TlsContext,
    /// The certificates of `AWS_CA_BUNDLE`, as PEM.
    ca_bundle: Option<Arc<[u8]>>,
    /// The HTTP client of each runtime that has one.
    clients: Arc<Mutex<HashMap<runtime::Id, Weak<NetworkClient>>>>,
}

impl Network {
    /// The variables that it is read from, those of certificates aside.
    pub(crate) const VARIABLES: [&str; 8] = [
        "HTTPS_PROXY",
        "https_proxy",
        "HTTP_PROXY",
        "http_proxy",
        "NO_PROXY",
        "no_proxy",
        CA_BUNDLE,
        SYSTEM_CERTIFICATES,
    ];

    /// Reads the variables, and the files that they name.
    pub(crate) fn of(find: &dyn Fn(&str) -> Option<String>) -> Result<Self, Problems> {
        let mut problems = Vec::new();
        let proxies = Proxies::of(find).unwrap_or_else(|faults| {
            problems.extend(faults);
            Proxies::default()
        });
        let mut read = |variable| {
            let path = find(variable).filter(|path| !path.is_empty())?;
            let file = certificates::read_trusted(Path::new(&path));
            file.map_err(|error| problems.push(unusable(variable, &error))).ok()
        };
        read(SYSTEM_CERTIFICATES);
        let ca_bundle: Option<Arc<[u8]>> = read(CA_BUNDLE).map(Arc::from);
        let trusted = match &ca_bundle {
            Some(pem) => TrustStore::empty().with_pem_certificate(&**pem),
            None => TrustStore::default(),
        };
        match TlsContext::builder().with_trust_store(trusted).build() {
            Ok(tls) if problems.is_empty() => {
                Ok(Self { proxies: Arc::new(proxies), tls, ca_bundle, clients: Arc::default() })
            }
            Ok(_) => Err(Problems(problems)),
            Err(error) => Err(Problems(vec![unusable(CA_BUNDLE, &error)])),
        }
    }

    /// The network by the variables of this process, read once.
    pub(crate) fn of_process() -> Result<&'static Self, &'static Problems> {
        static OF_PROCESS: LazyLock<Result<Network, Problems>> = LazyLock::new(|| Network::of(&variable));
        OF_PROCESS.as_ref()
    }

    /// The proxies.
    pub(crate) fn proxies(&self) -> &Proxies {
        &self.proxies
    }

    /// The certificates of `AWS_CA_BUNDLE`, as PEM.
    pub(crate) fn ca_bundle(&self) -> Option<&[u8]> {
        self.ca_bundle.as_deref()
    }

    /// The HTTP client of the current runtime: all its AWS calls share the connections, and the certificates, which take
    /// 100 KB.
    ///
    /// Connections are not used on another runtime than that which opened them.
    pub(super) fn http_client(&self) -> SharedHttpClient {
        SharedHttpClient::new(ClientOfRuntime(self.client_of_runtime()))
    }

    fn client_of_runtime(&self) -> Arc<NetworkClient> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        clients.retain(|_, client| client.strong_count() > 0);
        let runtime = Handle::current().id();
        clients.get(&runtime).and_then(Weak::upgrade).unwrap_or_else(|| {
            let client = Arc::new(self.new_client());
            clients.insert(runtime, Arc::downgrade(&client));
            client
        })
    }

    fn new_client(&self) -> NetworkClient {
        let direct = Builder::new()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .tls_context(self.tls.clone())
            .build_https();
        let proxied = self.proxies.iter().map(|proxy| (proxy.clone(), self.client_through(proxy)));
        NetworkClient {
            proxied: proxied.collect(),
            proxies: self.proxies.clone(),
            direct,
            validation: Once::new(),
        }
    }

    fn client_through(&self, proxy: &Proxy) -> SharedHttpClient {
        let (proxy, tls) = (proxy.config(), self.tls.clone());
        Builder::new().build_with_connector_fn(move |settings, _| {
            let mut builder = Connector::builder()
                .tls_provider(Provider::Rustls(CryptoMode::Ring))
                .tls_context(tls.clone())
                .proxy_config(proxy.clone());
            builder.set_connector_settings(settings.cloned());
            builder.build()
        })
    }
}

/// A variable of this process that AWS's own tools read.
#[expect(clippy::disallowed_methods, reason = "a library has no configuration that reads it")]
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn unusable(variable: &str, error: &dyn Error) -> Problem {
    Problem::general(format!("{variable}: {error}"))
        .with_origin(of_variable(variable))
        .with_allowed("a file with certificates in PEM")
}

/// Chooses for each request between a direct connection and one through a proxy.
#[derive(Debug)]
struct NetworkClient {
    proxies: Arc<Proxies>,
    direct: SharedHttpClient,
    proxied: Vec<(Arc<Proxy>, SharedHttpClient)>,
    validation: Once,
}

/// A share in the client of a runtime.
#[derive(Debug)]
struct ClientOfRuntime(Arc<NetworkClient>);

impl HttpClient for ClientOfRuntime {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let NetworkClient { proxies, direct, proxied, .. } = &*self.0;
        let connector = |client: &SharedHttpClient| client.http_connector(settings, components);
        if proxied.is_empty() {
            return connector(direct);
        }
        SharedHttpConnector::new(RoutingConnector {
            proxies: proxies.clone(),
            direct: connector(direct),
            proxied: proxied.iter().map(|(proxy, client)| (proxy.clone(), connector(client))).collect(),
        })
    }

    /// Reads the system's certificates before the first call, and once: the SDK would parse them for each client.
    fn validate_base_client_config(
        &self,
        components: &RuntimeComponentsBuilder,
        config: &ConfigBag,
    ) -> Result<(), BoxError> {
        let mut result = Ok(());
        let validate = || result = self.0.direct.validate_base_client_config(components, config);
        self.0.validation.call_once(validate);
        result
    }
}

#[derive(Debug)]
struct RoutingConnector {
    proxies: Arc<Proxies>,
    direct: SharedHttpConnector,
    proxied: Vec<(Arc<Proxy>, SharedHttpConnector)>,
}

impl HttpConnector for RoutingConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let proxy = self.proxies.for_url(request.uri());
        let chosen = proxy.and_then(|chosen| self.proxied.iter().find(|(own, _)| Arc::ptr_eq(own, chosen)));
        let Some((proxy, connector)) = chosen else { return self.direct.call(request) };
        let (proxy, url) = (proxy.clone(), request.uri().to_owned());
        let answer = connector.call(request);
        HttpConnectorFuture::new(async move { answered_through(&proxy, &url, answer.await) })
    }
}

/// Names the proxy in answers and errors, and takes its demand of credentials for an error.
fn answered_through(
    proxy: &Arc<Proxy>,
    url: &str,
    answer: Result<HttpResponse, ConnectorError>,
) -> Result<HttpResponse, ConnectorError> {
    let failure = |source| Box::new(ProxyFailure { proxy: proxy.clone(), source });
    match answer {
        Ok(answer) if answer.status().as_u16() == PROXY_AUTHENTICATION_REQUIRED => {
            Err(ConnectorError::io(failure(DEMANDS_CREDENTIALS.into())))
        }
        Ok(mut answer) => {
            answer.add_extension(AnsweringProxy(proxy.clone()));
            Ok(answer)
        }
        Err(error) => {
            if let Some(refusal) = tunnel_refusal(&error, url) {
                return Err(ConnectorError::io(failure(refusal.into())));
            }
            let (is_timeout, is_io, is_user) = (error.is_timeout(), error.is_io(), error.is_user());
            let kind = error.as_other();
            let failure = failure(error.into_source());
            Err(if is_timeout {
                ConnectorError::timeout(failure)
            } else if is_io {
                ConnectorError::io(failure)
            } else if is_user {
                ConnectorError::user(failure)
            } else {
                ConnectorError::other(failure, kind)
            })
        }
    }
}

/// The refusal of a proxy that opens no tunnel to the host of this URL; the client's own error names no host.
fn tunnel_refusal(error: &ConnectorError, url: &str) -> Option<String> {
    let words = message_with_causes(error);
    if words.contains(TUNNEL_UNAUTHORIZED) {
        return Some(DEMANDS_CREDENTIALS.to_owned());
    }
    let url = Url::parse(url).ok().filter(|_| words.contains(TUNNEL_REFUSED))?;
    let (host, port) = (url.host_str()?, url.port_or_known_default()?);
    Some(format!("{REFUSES_TUNNEL} {host}:{port}"))
}

/// The fix of a failed call through a proxy, which its message names; `None` if there was no proxy.
pub(crate) fn proxy_fix(message: &str) -> Option<&'static str> {
    let is = |words| message.contains(words);
    if !is(THROUGH) {
        None
    } else if is(REFUSES_TUNNEL) {
        Some("let the proxy allow this host, or add it to NO_PROXY")
    } else if is("certificate") {
        Some("add the certificate of the proxy's authority to AWS_CA_BUNDLE, or the host to NO_PROXY")
    } else {
        Some("correct HTTP(S)_PROXY, its user and password, or add the host to NO_PROXY")
    }
}

/// The proxy through which an answer came, as an extension of it.
#[derive(Clone, Debug)]
pub(super) struct AnsweringProxy(Arc<Proxy>);

impl fmt::Display for AnsweringProxy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{THROUGH}{}", self.0)
    }
}

#[cfg(test)]
impl AnsweringProxy {
    /// The proxy with this URL.
    pub(super) fn for_test(url: &str) -> Self {
        let proxies =
            Proxies::of(&|name| (name == "HTTPS_PROXY").then(|| url.to_owned())).unwrap_or_default();
        Self(proxies.iter().next().unwrap().clone())
    }
}

/// The failure of a request through a proxy.
#[derive(Debug, thiserror::Error)]
#[error("{THROUGH}{proxy}")]
pub(super) struct ProxyFailure {
    proxy: Arc<Proxy>,
    source: Box<dyn Error + Send + Sync>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_runtime_has_another_client() {
        let network = Network::of(&|_| None).unwrap();
        let on_a_runtime = || {
            let runtime = runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async { network.client_of_runtime() })
        };
        assert!(!Arc::ptr_eq(&on_a_runtime(), &on_a_runtime()));
    }

    #[test]
    fn a_missing_file_and_a_bad_proxy_are_all_reported_with_their_variables() {
        let variables = |name: &str| match name {
            "AWS_CA_BUNDLE" | "SSL_CERT_FILE" => Some(format!("/no/such/{name}.pem")),
            "HTTP_PROXY" => Some("ftp://proxy".to_owned()),
            _ => None,
        };
        let problems = Network::of(&variables).unwrap_err();
        let text = problems.to_string();
        assert_eq!(problems.0.len(), 3, "{text}");
        for part in ["/no/such/AWS_CA_BUNDLE.pem", "/no/such/SSL_CERT_FILE.pem", "environment HTTP_PROXY"] {
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn a_proxy_that_opens_no_tunnel_is_named_with_the_host() {
        let AnsweringProxy(proxy) = AnsweringProxy::for_test("http://user:canary@proxy:3128");
        let said = |words: &'static str| {
            let refused = ConnectorError::io(words.into());
            let error = answered_through(&proxy, "https://sts.eu-west-1.amazonaws.com/", Err(refused));
            message_with_causes(&*error.unwrap_err().into_source())
        };
        let refused = said("tunnel error: unsuccessful");
        assert_eq!(
            refused,
            "through the proxy http://proxy:3128: the proxy refuses a tunnel to sts.eu-west-1.amazonaws.com:443"
        );
        assert!(proxy_fix(&refused).unwrap().starts_with("let the proxy allow this host"));
        let unauthorized = said("tunnel error: proxy authorization required");
        assert!(unauthorized.ends_with("it demands other credentials (status 407)"), "{unauthorized}");
        assert!(proxy_fix(&unauthorized).unwrap().contains("its user and password"));
        assert_eq!(proxy_fix("connection refused"), None);
    }
}
