//! Reading valid, invalid and hostile trace contexts.

use proptest::prelude::*;

use super::*;
use crate::message::{AttributeValue, Message};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";

fn ids(context: &TraceContext) -> (String, String, bool) {
    let sampled = context.span_context().is_sampled();
    (context.trace_id().to_string(), context.span_id().to_string(), sampled)
}

fn expected(sampled: bool) -> (String, String, bool) {
    (TRACE.to_owned(), SPAN.to_owned(), sampled)
}

fn carrying(attributes: &[(&str, &str)], trace_header: Option<&str>) -> Message {
    let mut message = Message::new("id", "body");
    for (name, value) in attributes {
        message.attributes.insert((*name).to_owned(), AttributeValue::string(*value));
    }
    message.system.trace_header = trace_header.map(str::to_owned);
    message
}

#[test]
fn a_traceparent_is_read_and_written_alike() {
    for (flags, sampled) in [("01", true), ("00", false)] {
        let text = format!("00-{TRACE}-{SPAN}-{flags}");
        let context = TraceContext::from_traceparent(&text, Some("vendor=value,other=1")).unwrap();
        assert_eq!(ids(&context), expected(sampled));
        assert_eq!(context.traceparent(), text);
        assert_eq!(context.tracestate().as_deref(), Some("vendor=value,other=1"));
    }
}

#[test]
fn a_traceparent_of_a_later_version_is_read_as_far_as_it_is_known() {
    let context = TraceContext::from_traceparent(&format!("cc-{TRACE}-{SPAN}-01-more"), None);
    assert_eq!(ids(&context.unwrap()), expected(true));
}

#[test]
fn an_invalid_traceparent_is_ignored() {
    for text in [
        String::new(),
        "00".to_owned(),
        format!("ff-{TRACE}-{SPAN}-01"),
        format!("00-{TRACE}-{SPAN}-01-more"),
        format!("00-{TRACE}-{SPAN}"),
        format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
        format!("00-{}-{SPAN}-01", "0".repeat(32)),
        format!("00-{TRACE}-{}-01", "0".repeat(16)),
        format!("00-+{}-{SPAN}-01", &TRACE[1..]),
        format!("00-{TRACE}-{SPAN}-0x"),
        format!("00-{TRACE}-{SPAN}-01\r\nX-Injected: 1"),
    ] {
        assert_eq!(TraceContext::from_traceparent(&text, None), None, "{text:?}");
    }
}

#[test]
fn an_invalid_tracestate_is_left_out_and_the_trace_is_kept() {
    for state in ["", "no pair", "a=1\r\nX: 1", "é=1", &format!("a={}", "x".repeat(600))] {
        let context = TraceContext::from_traceparent(&format!("00-{TRACE}-{SPAN}-01"), Some(state)).unwrap();
        assert_eq!(context.tracestate(), None, "{state:?}");
    }
}

#[test]
fn a_trace_header_of_xray_is_read_in_any_order_and_with_more_in_it() {
    let root = format!("Root=1-{}-{}", &TRACE[..8], &TRACE[8..]);
    for (header, sampled) in [
        (format!("{root};Parent={SPAN};Sampled=1"), true),
        (format!("Sampled=0; Parent={SPAN} ;{root}"), false),
        (format!("Self=1-2-3;{root};Parent={SPAN};Sampled=?;Lineage=a:0"), false),
        (format!("{root};Parent={SPAN}"), false),
    ] {
        assert_eq!(ids(&TraceContext::from_xray(&header).unwrap()), expected(sampled), "{header}");
    }
    let written = format!("{root};Parent={SPAN};Sampled=1");
    assert_eq!(TraceContext::from_xray(&written).unwrap().xray(), written);
}

#[test]
fn a_trace_header_without_a_span_gets_the_last_half_of_its_trace_id() {
    let root = format!("Root=1-{}-{}", &TRACE[..8], &TRACE[8..]);
    for header in [root.clone(), format!("Self=1-2-3;{root}"), format!("Sampled=?;{root};Self=1-2-3")] {
        let context = TraceContext::from_xray(&header).unwrap();
        assert_eq!(ids(&context), (TRACE.to_owned(), TRACE[16..].to_owned(), false), "{header}");
        assert_eq!(context.xray(), format!("{root};Parent={}", &TRACE[16..]));
    }
    let decided = TraceContext::from_xray(&format!("{root};Sampled=1")).unwrap();
    assert!(decided.span_context().is_sampled());
}

#[test]
fn an_invalid_trace_header_is_ignored() {
    let root = format!("Root=1-{}-{}", &TRACE[..8], &TRACE[8..]);
    let without_half = format!("Root=1-{}-{}", &TRACE[..8], &format!("{}{}", &TRACE[8..16], "0".repeat(16)));
    for header in [
        "",
        "Root",
        "Self=1-2-3",
        &format!("{root};Parent="),
        &format!("{root};Parent=evil"),
        &format!("Root=2-a-b;Parent={SPAN}"),
        &without_half,
    ] {
        assert_eq!(TraceContext::from_xray(header), None, "{header:?}");
    }
}

#[test]
fn b3_is_read_from_one_attribute_and_from_several() {
    let of =
        |attributes: &[(&str, &str)]| TraceContext::of_message(&carrying(attributes, None)).as_ref().map(ids);
    assert_eq!(of(&[("b3", &format!("{TRACE}-{SPAN}-1"))]), Some(expected(true)));
    assert_eq!(of(&[("b3", &format!("{TRACE}-{SPAN}-d-{SPAN}"))]), Some(expected(true)));
    assert_eq!(of(&[("b3", &format!("{TRACE}-{SPAN}"))]), Some(expected(false)));
    let several = [("X-B3-TraceId", TRACE), ("x-b3-spanid", SPAN), ("X-B3-Sampled", "1")];
    assert_eq!(of(&several), Some(expected(true)));
    let short = of(&[("b3", &format!("{}-{SPAN}-0", &TRACE[16..]))]).unwrap();
    assert_eq!(short.0, format!("{}{}", "0".repeat(16), &TRACE[16..]));
    for bad in ["0", "", &format!("{TRACE}-{SPAN}-x"), &format!("{TRACE}-{SPAN}-1-{SPAN}-1")] {
        assert_eq!(of(&[("b3", bad)]), None, "{bad:?}");
    }
}

#[test]
fn the_first_valid_form_counts() {
    let other = "1".repeat(32);
    let xray = format!("Root=1-{}-{};Parent={SPAN};Sampled=1", &TRACE[..8], &TRACE[8..]);
    let b3 = format!("{}-{SPAN}-1", "2".repeat(32));
    let trace_of = |traceparent: &str| {
        let message = carrying(&[("traceparent", traceparent), ("b3", &b3)], Some(&xray));
        TraceContext::of_message(&message).unwrap().trace_id().to_string()
    };
    assert_eq!(trace_of(&format!("00-{other}-{SPAN}-01")), other);
    assert_eq!(trace_of("hostile"), TRACE);
    let message = carrying(&[("traceparent", "hostile"), ("b3", &b3)], Some("hostile"));
    assert_eq!(TraceContext::of_message(&message).unwrap().trace_id().to_string(), "2".repeat(32));
}

#[test]
fn a_binary_attribute_is_ignored() {
    let mut message = Message::new("id", "body");
    let text = format!("00-{TRACE}-{SPAN}-01");
    message.attributes.insert("traceparent".to_owned(), AttributeValue::binary(text));
    assert_eq!(TraceContext::of_message(&message), None);
}

#[test]
fn a_new_trace_context_is_valid_for_xray() {
    let fresh = TraceContext::fresh();
    assert_eq!(TraceContext::from_xray(&fresh.xray()).unwrap().traceparent(), fresh.traceparent());
    assert!(fresh.span_context().is_sampled());
    assert_ne!(fresh.trace_id(), TraceContext::fresh().trace_id());
}

proptest! {
    #[test]
    fn a_trace_context_survives_every_format(trace in 1u128.., span in 1u64.., sampled: bool) {
        let recorded = if sampled { Recorded::Yes } else { Recorded::No };
        let context = TraceContext::remote(trace.into(), span.into(), recorded).unwrap();
        let by_w3c = TraceContext::from_traceparent(&context.traceparent(), None);
        prop_assert_eq!(by_w3c.as_ref(), Some(&context));
        prop_assert_eq!(TraceContext::from_xray(&context.xray()), Some(context));
    }

    #[test]
    fn no_value_panics_or_is_passed_on_unvalidated(values in prop::collection::vec(any::<String>(), 7)) {
        let names = ["traceparent", "tracestate", "b3", "X-B3-TraceId", "X-B3-SpanId", "X-B3-Sampled"];
        let attributes: Vec<_> = names.into_iter().zip(values.iter().map(String::as_str)).collect();
        if let Some(context) = TraceContext::of_message(&carrying(&attributes, Some(&values[6]))) {
            prop_assert!(context.traceparent().is_ascii() && context.xray().is_ascii());
        }
    }

    #[test]
    fn an_almost_valid_traceparent_is_read_exactly_or_ignored(text in "[0-9a-f+-]{2}-[0-9a-f+]{31,33}-[0-9a-f]{15,17}-0[0-3]", state in "[ -~]{0,40}") {
        if let Some(context) = TraceContext::from_traceparent(&text, Some(&state)) {
            prop_assert!(text.contains(&context.trace_id().to_string()));
            prop_assert!(context.tracestate().is_none_or(|state| state.bytes().all(|byte| matches!(byte, b' '..=b'~'))));
        }
    }
}
