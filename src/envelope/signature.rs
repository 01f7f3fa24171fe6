//! Checks the signatures of SNS notifications.
//!
//! SNS documents them under "Verifying the signatures of Amazon SNS messages": an RSA signature (PKCS #1 v1.5, with SHA-1 in
//! version 1 and with SHA-256 in version 2) over some of the fields, by a certificate whose URL is in the notification.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use futures_util::future::{BoxFuture, FutureExt as _};
use reqwest::{Client, redirect};
use ring::signature::{RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, UnparsedPublicKey};
use rustls::pki_types::{
    AlgorithmIdentifier, CertificateDer, InvalidSignature, SignatureVerificationAlgorithm, alg_id,
    pem::PemObject as _,
};
use serde::Deserialize;
use url::{Origin, Url};
use webpki::EndEntityCert;

use crate::{
    consumer::{Preparation, PreparedMessage, Unprepared},
    error_chain::message_with_causes,
    handler::Outcome,
    message::Message,
    net,
    telemetry::events,
};

/// The time limit of a request for a certificate.
const FETCH_LIMIT: Duration = Duration::from_secs(10);
/// The delay of messages whose certificate cannot be fetched.
const NOT_FETCHED_DELAY: Duration = Duration::from_secs(10);
/// The most certificates that are kept; SNS changes its own about once a year.
const MOST_CERTIFICATES: usize = 100;

/// The signed fields of a notification, and what their signature is checked with.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SignedNotification {
    message: String,
    message_id: String,
    subject: Option<String>,
    timestamp: String,
    topic_arn: String,
    r#type: String,
    signature_version: String,
    signature: String,
    #[serde(rename = "SigningCertURL", alias = "SigningCertUrl")]
    signing_cert_url: Url,
}

impl SignedNotification {
    /// The text that is signed.
    fn signed_text(&self) -> String {
        let fields = [
            ("Message", Some(&self.message)),
            ("MessageId", Some(&self.message_id)),
            ("Subject", self.subject.as_ref()),
            ("Timestamp", Some(&self.timestamp)),
            ("TopicArn", Some(&self.topic_arn)),
            ("Type", Some(&self.r#type)),
        ];
        let present = fields.into_iter().filter_map(|(name, value)| Some(format!("{name}\n{}\n", value?)));
        present.collect()
    }

    /// Checks the signature with a certificate.
    fn is_signed_by(&self, certificate: &CertificateDer<'_>) -> bool {
        let algorithm: &dyn SignatureVerificationAlgorithm = match &*self.signature_version {
            "1" => &RsaWithSha1,
            "2" => webpki::ring::RSA_PKCS1_2048_8192_SHA256,
            _ => return false,
        };
        let (Ok(signature), Ok(certificate)) =
            (BASE64_STANDARD.decode(&self.signature), EndEntityCert::try_from(certificate))
        else {
            return false;
        };
        certificate.verify_signature(algorithm, self.signed_text().as_bytes(), &signature).is_ok()
    }
}

/// The signature of version 1, which no certificate of the web may have any more.
#[derive(Debug)]
struct RsaWithSha1;

impl SignatureVerificationAlgorithm for RsaWithSha1 {
    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::RSA_ENCRYPTION
    }

    /// Not that of a certificate, for which it is never used.
    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::RSA_ENCRYPTION
    }

    fn verify_signature(&self, key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, key);
        key.verify(message, signature).map_err(|_unspecified| InvalidSignature)
    }
}

/// Rejects each message that is no notification with a valid signature of SNS.
pub(crate) struct SignatureCheck {
    queue: Arc<str>,
    /// Built at the first request, because it reads the system's certificates.
    client: OnceLock<Client>,
    /// The origin of an emulator, whose certificates count as well.
    emulator: Option<Origin>,
    certificates: Mutex<BTreeMap<Url, Arc<CertificateDer<'static>>>>,
}

impl SignatureCheck {
    /// A check with the certificates of SNS, and of an emulator at this endpoint.
    pub(crate) fn new(queue: impl Into<Arc<str>>, emulator: Option<&Url>) -> Self {
        Self {
            queue: queue.into(),
            client: OnceLock::new(),
            emulator: emulator.map(Url::origin),
            certificates: Mutex::default(),
        }
    }

    async fn check(&self, message: &Message) -> Result<(), Unprepared> {
        let reject = |reason: &str| Unprepared::Ended(Outcome::Reject(reason.to_owned()));
        let notification: SignedNotification = serde_json::from_str(&message.body)
            .map_err(|_other| reject("it is no signed notification of SNS"))?;
        let url = &notification.signing_cert_url;
        if !self.is_trusted(url) {
            return Err(reject("the certificate of its signature is not one of SNS"));
        }
        let certificate = self.certificate(url).await.map_err(|error| {
            events::CertificateDelayed { queue: &self.queue, url, error: &error }.emit();
            Unprepared::NotYet(NOT_FETCHED_DELAY)
        })?;
        if notification.is_signed_by(&certificate) {
            Ok(())
        } else {
            Err(reject("its signature is not valid"))
        }
    }

    /// True for a certificate at an endpoint of SNS, or of the emulator.
    fn is_trusted(&self, url: &Url) -> bool {
        let is_of_sns = url.scheme() == "https" && url.port().is_none() && url.host_str().is_some_and(is_sns);
        is_of_sns || self.emulator.as_ref() == Some(&url.origin())
    }

    fn client(&self) -> reqwest::Result<&Client> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        net::provide_tls();
        let client = Client::builder().timeout(FETCH_LIMIT).redirect(redirect::Policy::none());
        let client = net::trust_ca_bundle(client)?.build()?;
        Ok(self.client.get_or_init(|| client))
    }

    async fn certificate(&self, url: &Url) -> Result<Arc<CertificateDer<'static>>, String> {
        let known = || self.certificates.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(certificate) = known().get(url) {
            return Ok(certificate.clone());
        }
        let fetch = async {
            let answer = self.client()?.get(url.clone()).send().await?.error_for_status()?;
            answer.bytes().await
        };
        let pem = fetch.await.map_err(|error| message_with_causes(&error))?;
        let certificate = CertificateDer::from_pem_slice(&pem).map_err(|error| error.to_string())?;
        let certificate = Arc::new(certificate);
        let mut known = known();
        if known.len() >= MOST_CERTIFICATES {
            known.clear();
        }
        known.insert(url.clone(), certificate.clone());
        Ok(certificate)
    }
}

/// True for a host of SNS in any region of AWS or of AWS in China.
fn is_sns(host: &str) -> bool {
    let domains = [".amazonaws.com", ".amazonaws.com.cn"];
    let region = domains.iter().find_map(|domain| host.strip_prefix("sns.")?.strip_suffix(domain));
    let is_allowed =
        |character: char| character.is_ascii_lowercase() || character.is_ascii_digit() || character == '-';
    region.is_some_and(|region| !region.is_empty() && region.chars().all(is_allowed))
}

impl Preparation for SignatureCheck {
    fn prepare(&self, message: Arc<Message>) -> BoxFuture<'_, Result<PreparedMessage, Unprepared>> {
        async move {
            self.check(&message).await?;
            Ok(PreparedMessage { message, claim: None })
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use longshore_emulator::{MessageStructure, PublishRequest, PublishTarget};
    use serde_json::{Value, json};

    use super::*;

    const CERTIFICATE: &str = include_str!("../../tests/support/sns/signing.pem");
    /// The signatures of [`notification`] by the key of that certificate, made with OpenSSL.
    const SHA1: &str = "scCL2JvC26cc1oYiBhyDXXWnc5/M5ZSOvApQ1IZDCT49QQAeeKJewzmo//WFDcm4su2IB2jskD5q7xIFhij3mtumJfwnToG6AngIigONvrhWvL5TFjWfq54CHHawh06MB2xh4+PXNhFiY47GhZmUyA2Hp26sSCdZ9R8IdZ9SvyLz1PGoeh5jyt0yJjPkI8TYDcSRJz9Dyd1M53xyMLg6SYJFsMOP36y0TDESqpVN+waLk5PFHG1aq0SPsiO/pApNQK9mpnKXLm/lwhbjmPEMdGjyifvdTLxQ0mMhOnUYQ6n8niC/wDLWwHmsh4vU/RIkLOZZ3Q2lGDx1FmK8lSJ7zA==";
    const SHA256: &str = "BcHYW7L8hlnZgsM6lOEDyrxMIlDXoIUPYdmxFzbduFauR1CdtafHl8uvswwYKNlNJJrLqt/029zIff+nlWsL2/xTWzzezFmQRcUxilFqH/jlMxwzCCj4cRuBBokQkLVokL7mZyvG2nYXnuyxd00UtWLQf+yEHU4nIBTXb9C361IsRjLgU1aR67hi2Fq900F0NQjhs3fiziuFamiTMCCndIvMWUnjNTZ3pED3im5vWPbxLC2nYQaf1LcwMLAbQzawOvTBq8M12fRAJoCcZTOoiVr3R+mBFQ/wJx0cvOWqUYWLm0Ih68KIgST7e3Z9kZFS9Hon9xYBJQsEzuLJyc57UA==";

    fn notification(version: &str, signature: &str) -> Value {
        json!({
            "Type": "Notification", "MessageId": "n-1", "TopicArn": "arn:aws:sns:eu-west-1:123456789012:orders",
            "Subject": "new", "Message": "ahoy", "Timestamp": "2026-11-29T15:00:00.000Z", "SignatureVersion": version,
            "Signature": signature, "SigningCertURL": "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem",
            "UnsubscribeURL": "https://sns.eu-west-1.amazonaws.com/?Action=Unsubscribe",
        })
    }

    fn is_valid(notification: &Value) -> bool {
        let notification: SignedNotification = serde_json::from_value(notification.clone()).unwrap();
        notification.is_signed_by(&CertificateDer::from_pem_slice(CERTIFICATE.as_bytes()).unwrap())
    }

    #[test]
    fn both_versions_of_a_signature_are_valid_for_what_was_signed_only() {
        for (version, signature) in [("1", SHA1), ("2", SHA256)] {
            assert!(is_valid(&notification(version, signature)), "version {version}");
            for field in ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"] {
                let mut forged = notification(version, signature);
                forged[field] = "other".into();
                assert!(!is_valid(&forged), "version {version}: {field} is signed");
            }
        }
        for (version, signature) in
            [("1", SHA256), ("2", SHA1), ("3", SHA256), ("2", "no base64!"), ("2", "")]
        {
            assert!(!is_valid(&notification(version, signature)), "{version}, {signature}");
        }
    }

    #[test]
    fn only_certificates_of_sns_are_trusted() {
        let check = SignatureCheck::new("orders", None);
        for (url, is_trusted) in [
            ("https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem", true),
            ("https://sns.cn-north-1.amazonaws.com.cn/SimpleNotificationService-1.pem", true),
            ("http://sns.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem", false),
            ("https://sns.eu-west-1.amazonaws.com:8443/a.pem", false),
            ("https://sns.eu-west-1.amazonaws.com.evil.example/a.pem", false),
            ("https://evil.s3.amazonaws.com/a.pem", false),
            ("https://sns.evil.amazonaws.com/a.pem", true),
            ("https://sns.a.evil.amazonaws.com/a.pem", false),
            ("https://sns.eu-west-1.amazonaws.com@evil.example/a.pem", false),
        ] {
            assert_eq!(check.is_trusted(&url.parse().unwrap()), is_trusted, "{url}");
        }
    }

    /// Serves the certificate of the tests; returns its URL and the number of requests.
    async fn served() -> (Url, Arc<std::sync::atomic::AtomicUsize>) {
        let requests: Arc<std::sync::atomic::AtomicUsize> = Arc::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/sns.pem", listener.local_addr().unwrap()).parse().unwrap();
        let counted = requests.clone();
        let answer = move || {
            counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            std::future::ready(CERTIFICATE)
        };
        let router = axum::Router::new().route("/sns.pem", axum::routing::get(answer));
        crate::tasks::detach("certificates", async move { axum::serve(listener, router).await.unwrap() });
        (url, requests)
    }

    #[tokio::test]
    async fn the_certificate_is_fetched_once_and_a_forged_notification_is_rejected() {
        let (url, requests) = served().await;
        let check = SignatureCheck::new("orders", Some(&url));
        let message = |notification: &Value| {
            let mut notification = notification.clone();
            notification["SigningCertURL"] = url.as_str().into();
            Arc::new(Message::new("m", notification.to_string()))
        };
        for _ in 0..3 {
            let prepared = check.prepare(message(&notification("2", SHA256))).await;
            assert!(prepared.is_ok());
        }
        assert_eq!(requests.load(std::sync::atomic::Ordering::SeqCst), 1);
        let mut forged = notification("2", SHA256);
        forged["Message"] = "pay".into();
        for refused in
            [message(&forged), Arc::new(Message::new("m", "{}")), message(&json!({"Type": "Notification"}))]
        {
            assert!(matches!(check.prepare(refused).await, Err(Unprepared::Ended(Outcome::Reject(_)))));
        }
        let elsewhere = Arc::new(Message::new(
            "m",
            notification("2", SHA256)
                .to_string()
                .replace("eu-west-1.amazonaws.com/Simple", "evil.example/Simple"),
        ));
        assert!(matches!(check.prepare(elsewhere).await, Err(Unprepared::Ended(Outcome::Reject(_)))));
    }

    #[tokio::test]
    async fn a_notification_of_the_emulator_is_valid_with_its_certificate() {
        let emulator = longshore_emulator::Emulator::start().await.unwrap();
        let (sqs, sns, none) = (emulator.sqs(), emulator.sns(), longshore_emulator::StringMap::new());
        sqs.create_queue("orders", &none, &none).unwrap();
        let check = SignatureCheck::new("orders", Some(&emulator.endpoint().parse().unwrap()));
        for version in ["1", "2"] {
            let topic = sns.create_topic(&format!("version-{version}"), &none, &none).unwrap();
            sns.set_topic_attribute(topic.as_str(), "SignatureVersion", version).unwrap();
            sns.subscribe(topic.as_str(), &sqs.arn("orders").unwrap(), &none).unwrap();
            let request = PublishRequest {
                subject: Some("new".to_owned()),
                endpoint: Some(emulator.endpoint()),
                ..PublishRequest::new(PublishTarget::Topic(topic), "ahoy")
            };
            sns.publish(request, MessageStructure::Plain).unwrap();
        }
        for content in sqs.messages("orders").unwrap() {
            let prepared = check.prepare(Arc::new(Message::new("m", content.body.clone()))).await;
            assert!(prepared.is_ok(), "{}", content.body);
            let forged = content.body.replace("ahoy", "pay");
            assert!(check.prepare(Arc::new(Message::new("m", forged))).await.is_err());
        }
    }

    #[tokio::test]
    async fn a_message_waits_while_the_certificate_cannot_be_fetched() {
        let gone: Url = "http://127.0.0.1:9/sns.pem".parse().unwrap();
        let mut notification = notification("2", SHA256);
        notification["SigningCertURL"] = gone.as_str().into();
        let check = SignatureCheck::new("orders", Some(&gone));
        let refused = check.prepare(Arc::new(Message::new("m", notification.to_string()))).await.err();
        assert_eq!(refused, Some(Unprepared::NotYet(NOT_FETCHED_DELAY)));
    }
}
