//! HTTP responses: headers, statuses, and the errors of both protocols.

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, Response, StatusCode, header},
};
use serde::Serialize;

use super::{
    error::RequestError,
    json,
    request::{AwsService, WireProtocol},
    xml::{XmlNamespace, XmlWriter},
};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const QUERY_ERROR: HeaderName = HeaderName::from_static("x-amzn-query-error");

/// An error of the JSON protocol.
#[derive(Debug, Serialize)]
struct JsonError {
    #[serde(rename = "__type")]
    shape: String,
    message: String,
}

/// The response of a result.
pub(super) fn success(protocol: WireProtocol, request_id: &str, body: Vec<u8>) -> Response<Body> {
    response(protocol, request_id, StatusCode::OK, body)
}

/// The response of an error.
///
/// In the JSON protocol, `x-amzn-query-error` gives the query protocol's code, which the SDKs report to their users.
/// AWS sends it to clients with the header `x-amzn-query-mode`; the emulator sends it to all, because older clients
/// read it too.
pub(super) fn failure(protocol: WireProtocol, request_id: &str, error: &RequestError) -> Response<Body> {
    let protocol = match (protocol, error) {
        // As recorded against AWS.
        (WireProtocol::QueryJson, RequestError::NoAction) => WireProtocol::Query,
        _ if error.namespace() == XmlNamespace::Sns => protocol.of_response(AwsService::Sns),
        _ => protocol,
    };
    let body = match protocol {
        WireProtocol::QueryJson => json::query_error(error, request_id).to_string().into_bytes(),
        WireProtocol::Json => json_error(error),
        WireProtocol::Query => xml_error(request_id, error),
    };
    let mut response = response(protocol, request_id, error.status(protocol), body);
    if protocol == WireProtocol::Json {
        let query_error = format!("{};{}", error.code(), error.error_type().name());
        if let Ok(value) = HeaderValue::try_from(query_error) {
            response.headers_mut().insert(QUERY_ERROR, value);
        }
    }
    response
}

fn response(protocol: WireProtocol, request_id: &str, status: StatusCode, body: Vec<u8>) -> Response<Body> {
    let content_type = match protocol {
        WireProtocol::Json => HeaderValue::from_static("application/x-amz-json-1.0"),
        WireProtocol::Query => HeaderValue::from_static("text/xml"),
        WireProtocol::QueryJson => HeaderValue::from_static("application/json"),
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    if let Ok(value) = HeaderValue::from_str(request_id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

fn json_error(error: &RequestError) -> Vec<u8> {
    let error = JsonError { shape: error.json_type(), message: error.to_string() };
    serde_json::to_vec(&error).unwrap_or_default()
}

fn xml_error(request_id: &str, error: &RequestError) -> Vec<u8> {
    if *error == RequestError::NoAction {
        return b"<UnknownOperationException/>".to_vec(); // As recorded against AWS.
    }
    let document = XmlWriter::document(error.namespace(), "ErrorResponse", |xml| {
        xml.element("Error", |xml| {
            xml.text("Type", error.error_type().name());
            xml.text("Code", error.code());
            xml.text("Message", &error.query_message());
            if error.namespace() == XmlNamespace::Sqs {
                xml.element("Detail", |_| {});
            }
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
        let response = failure(WireProtocol::Json, "id", &RequestError::no_queue());
        assert_eq!(response.headers()[QUERY_ERROR], "AWS.SimpleQueueService.NonExistentQueue;Sender");
        assert_eq!(response.headers()[REQUEST_ID], "id");
        let body = json_error(&RequestError::no_queue());
        assert_eq!(
            String::from_utf8(body).unwrap(),
            r#"{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"The specified queue does not exist."}"#
        );
    }

    #[test]
    fn an_error_in_xml_is_an_error_response() {
        assert_eq!(
            failure(WireProtocol::Query, "id", &RequestError::no_queue()).status(),
            StatusCode::BAD_REQUEST
        );
        assert_eq!(
            String::from_utf8(xml_error("id", &RequestError::no_queue())).unwrap(),
            "<?xml version=\"1.0\"?><ErrorResponse xmlns=\"http://queue.amazonaws.com/doc/2012-11-05/\"><Error>\
             <Type>Sender</Type><Code>AWS.SimpleQueueService.NonExistentQueue</Code>\
             <Message>The specified queue does not exist for this wsdl version.</Message><Detail/></Error>\
             <RequestId>id</RequestId></ErrorResponse>"
        );
    }
}
