//! Builds the HTTP responses: headers, statuses, and the errors of both protocols.

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, Response, StatusCode, header},
};
use serde::Serialize;

use super::{asked::Protocol, refusal::Refusal, xml::Xml};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const QUERY_ERROR: HeaderName = HeaderName::from_static("x-amzn-query-error");

/// An error of the JSON protocol.
#[derive(Debug, Serialize)]
struct JsonError {
    #[serde(rename = "__type")]
    shape: String,
    message: String,
}

/// A result.
pub(super) fn success(protocol: Protocol, request_id: &str, body: Vec<u8>) -> Response<Body> {
    response(protocol, request_id, StatusCode::OK, body)
}

/// A refusal.
///
/// In the JSON protocol, `x-amzn-query-error` gives the query protocol's code, which the SDKs show to their users.
/// AWS sends it to the clients that ask by `x-amzn-query-mode`; here all get it, because clients of before
/// that header read it too.
pub(super) fn failure(protocol: Protocol, request_id: &str, refusal: &Refusal) -> Response<Body> {
    let body = match protocol {
        Protocol::Json => json_error(refusal),
        Protocol::Query => xml_error(request_id, refusal),
    };
    let mut response = response(protocol, request_id, refusal.status(protocol), body);
    if protocol == Protocol::Json {
        let query_error = format!("{};{}", refusal.code(), refusal.blame().name());
        if let Ok(value) = HeaderValue::try_from(query_error) {
            response.headers_mut().insert(QUERY_ERROR, value);
        }
    }
    response
}

fn response(protocol: Protocol, request_id: &str, status: StatusCode, body: Vec<u8>) -> Response<Body> {
    let content_type = match protocol {
        Protocol::Json => HeaderValue::from_static("application/x-amz-json-1.0"),
        Protocol::Query => HeaderValue::from_static("text/xml"),
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    if let Ok(value) = HeaderValue::from_str(request_id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

fn json_error(refusal: &Refusal) -> Vec<u8> {
    let error = JsonError { shape: refusal.json_type(), message: refusal.to_string() };
    serde_json::to_vec(&error).unwrap_or_default()
}

fn xml_error(request_id: &str, refusal: &Refusal) -> Vec<u8> {
    let document = Xml::document(refusal.namespace(), "ErrorResponse", |xml| {
        xml.element("Error", |xml| {
            xml.text("Type", refusal.blame().name());
            xml.text("Code", refusal.code());
            xml.text("Message", &refusal.query_message());
            xml.element("Detail", |_| {});
        });
        xml.text("RequestId", request_id);
    });
    document.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_in_json_names_its_shape_and_carries_the_older_code() {
        let response = failure(Protocol::Json, "id", &Refusal::no_queue());
        assert_eq!(response.headers()[QUERY_ERROR], "AWS.SimpleQueueService.NonExistentQueue;Sender");
        assert_eq!(response.headers()[REQUEST_ID], "id");
        let body = json_error(&Refusal::no_queue());
        assert_eq!(
            String::from_utf8(body).unwrap(),
            r#"{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"The specified queue does not exist."}"#
        );
    }

    #[test]
    fn an_error_in_xml_is_an_error_response() {
        assert_eq!(failure(Protocol::Query, "id", &Refusal::no_queue()).status(), StatusCode::BAD_REQUEST);
        assert_eq!(
            String::from_utf8(xml_error("id", &Refusal::no_queue())).unwrap(),
            "<?xml version=\"1.0\"?><ErrorResponse xmlns=\"http://queue.amazonaws.com/doc/2012-11-05/\"><Error>\
             <Type>Sender</Type><Code>AWS.SimpleQueueService.NonExistentQueue</Code>\
             <Message>The specified queue does not exist for this wsdl version.</Message><Detail></Detail></Error>\
             <RequestId>id</RequestId></ErrorResponse>"
        );
    }
}
