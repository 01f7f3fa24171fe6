//! Samples traces by the configured sampler, unless the producer has decided already.

use opentelemetry::{
    Context, KeyValue,
    trace::{Link, SpanKind, TraceContextExt as _, TraceId},
};
use opentelemetry_sdk::trace::{Sampler, SamplingResult, ShouldSample};

use crate::telemetry::context::Undecided;

/// The configured sampler; it ignores a parent without a sampling decision, whose flags alone would mean no.
#[derive(Clone, Debug)]
pub(super) struct ConfiguredSampler(pub(super) Sampler);

impl ShouldSample for ConfiguredSampler {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace_id: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let decided = parent.filter(|parent| !is_undecided(parent));
        self.0.should_sample(decided, trace_id, name, kind, attributes, links)
    }
}

/// True for a remote parent without a decision: spans below it inherit the mark, but their local parent is decided.
fn is_undecided(parent: &Context) -> bool {
    parent.get::<Undecided>().is_some() && parent.span().span_context().is_remote()
}

#[cfg(test)]
mod tests {
    use opentelemetry_sdk::trace::SamplingDecision;

    use super::*;
    use crate::telemetry::context::TraceContext;

    const ROOT: &str = "Root=1-5759e988-bd862e3fe1be46a994272793";

    fn is_recorded(sampler: Sampler, header: &str) -> bool {
        let parent = TraceContext::from_xray(header).unwrap();
        let (context, id) = (parent.as_parent(), parent.trace_id());
        let sampler = ConfiguredSampler(Sampler::ParentBased(Box::new(sampler)));
        let result = sampler.should_sample(Some(&context), id, "process", &SpanKind::Consumer, &[], &[]);
        result.decision == SamplingDecision::RecordAndSample
    }

    #[test]
    fn the_sampler_decides_where_the_producer_has_not() {
        for undecided in ["", ";Parent=53995c3f42cd8ad8", ";Sampled=?"] {
            let header = format!("{ROOT}{undecided}");
            assert!(is_recorded(Sampler::AlwaysOn, &header), "{header}");
            assert!(!is_recorded(Sampler::AlwaysOff, &header), "{header}");
        }
    }

    #[test]
    fn the_producers_decision_counts() {
        assert!(is_recorded(Sampler::AlwaysOff, &format!("{ROOT};Sampled=1")));
        assert!(!is_recorded(Sampler::AlwaysOn, &format!("{ROOT};Sampled=0")));
    }
}
