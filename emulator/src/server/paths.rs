//! The paths that are no actions: the certificate of signatures, and for tests the SMS and the numbers that want none.
//!
//! Those for tests are LocalStack's, so that what was written for it works here.

use std::borrow::Cow;

use axum::{
    body::Body,
    http::{HeaderValue, Method, Response, StatusCode, header},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use url::form_urlencoded;

use super::error::RequestError;
use crate::sns::{CERTIFICATE, CERTIFICATE_PATH, SmsNumber, SnsAccount};

/// The SMS that were sent, by their numbers.
const SMS: &str = "/_aws/sns/sms-messages";
/// The phone numbers that want no SMS.
const OPT_OUTS: &str = "/_aws/sns/phone-opt-outs";

/// The body of a request to [`OPT_OUTS`].
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OptOut {
    phone_number: Option<String>,
}

/// Answers a request to such a path; `None` for every other.
pub(super) fn answer(
    sns: &SnsAccount,
    (method, path, query): (&Method, &str, &str),
    body: &[u8],
) -> Option<Result<Response<Body>, RequestError>> {
    match (method, path) {
        (&Method::GET, CERTIFICATE_PATH) => Some(Ok(found("application/x-pem-file", CERTIFICATE.to_owned()))),
        (&Method::GET, SMS) => {
            Some(Ok(found("application/json", sent(sns, number(query).as_deref()).to_string())))
        }
        (&Method::DELETE, SMS) => {
            sns.forget_sms(number(query).as_deref());
            Some(Ok(done()))
        }
        (&Method::POST, OPT_OUTS) => Some(opt_out(sns, body)),
        _ => None,
    }
}

/// The number that a query asks for.
fn number(query: &str) -> Option<Cow<'_, str>> {
    let mut parameters = form_urlencoded::parse(query.as_bytes());
    parameters.find(|(name, _)| name == "phoneNumber").map(|(_, number)| number)
}

fn found(content_type: &'static str, body: String) -> Response<Body> {
    let mut response = Response::new(body.into());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn done() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

fn sent(sns: &SnsAccount, wanted: Option<&str>) -> Value {
    let mut by_number: Map<String, Value> =
        wanted.map(|number| (number.to_owned(), json!([]))).into_iter().collect();
    for sms in sns.sent_sms() {
        let number = sms.number.as_str();
        if wanted.is_some_and(|wanted| wanted != number) {
            continue;
        }
        let message = json!({
            "PhoneNumber": number,
            "Message": sms.text,
            "MessageId": sms.message_id,
            "TopicArn": sms.topic_arn,
            "SubscriptionArn": sms.subscription_arn,
            "Subject": sms.subject,
        });
        if let Value::Array(messages) = by_number.entry(number).or_insert_with(|| json!([])) {
            messages.push(message);
        }
    }
    json!({ "sms_messages": by_number, "region": sns.sqs().identity().region })
}

fn opt_out(sns: &SnsAccount, body: &[u8]) -> Result<Response<Body>, RequestError> {
    let OptOut { phone_number } =
        serde_json::from_slice(body).map_err(|error| RequestError::Malformed(error.to_string()))?;
    sns.opt_out(SmsNumber::of_parameter(phone_number.as_deref())?)?;
    Ok(done())
}
