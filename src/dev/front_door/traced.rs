//! The trace that a request comes from, as its message carries it in `AWSTraceHeader`.

use axum::http::HeaderMap;

use crate::telemetry::context::TraceContext;

/// What API Gateway and load balancers call it.
const HEADER: &str = "x-amzn-trace-id";

/// The request's own header as it is; without one, or with one that is none, the place that its `traceparent` names;
/// and else that of a new trace, as API Gateway begins one.
pub(super) fn trace_header(headers: &HeaderMap) -> String {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(own) = text(HEADER).filter(|own| is_whole(own)) {
        return own.to_owned();
    }
    let by_w3c = || TraceContext::from_traceparent(text("traceparent")?, None);
    by_w3c().unwrap_or_else(TraceContext::fresh).xray()
}

/// Whether it names a trace, if only that: whatever is more is for those who read it.
fn is_whole(header: &str) -> bool {
    header.split(';').any(|field| field.trim().starts_with("Root=1-"))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const XRAY: &str = "Root=1-0af76519-16cd43dd8448eb211c80319c;Parent=b7ad6b7169203331;Sampled=1";

    fn of(headers: &[(&'static str, &[u8])]) -> String {
        let value = |value: &[u8]| HeaderValue::from_bytes(value).unwrap();
        let headers = headers.iter().map(|(name, bytes)| ((*name).parse().unwrap(), value(bytes)));
        trace_header(&headers.collect())
    }

    #[test]
    fn the_requests_own_header_is_carried_as_it_is() {
        for own in [XRAY, "Root=1-5759e988-bd862e3fe1be46a994272793", "Self=1-2-3;Root=1-5759e988-bd"] {
            assert_eq!(of(&[(HEADER, own.as_bytes()), ("traceparent", PARENT.as_bytes())]), own);
        }
    }

    #[test]
    fn a_traceparent_is_carried_in_xrays_form() {
        assert_eq!(of(&[("traceparent", PARENT.as_bytes())]), XRAY);
        assert_eq!(of(&[(HEADER, b"nonsense"), ("traceparent", PARENT.as_bytes())]), XRAY);
    }

    #[test]
    fn a_request_from_no_trace_begins_one() {
        let (one, other) = (of(&[]), of(&[("traceparent", b"\xff")]));
        assert!(TraceContext::from_xray(&one).is_some() && TraceContext::from_xray(&other).is_some());
        assert_ne!(one, other);
    }
}
