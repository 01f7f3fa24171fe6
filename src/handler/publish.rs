//! Publishing as part of a trace, and counted.

use tokio::time::Instant;

use crate::{
    sns::{Publication, PublicationId, Publisher, Target, TopicError, metrics::PublishMetrics},
    telemetry::{
        CallResult,
        spans::{Destination, Trace},
    },
};

/// Publishes, and counts that where there is something to count in.
///
/// In a trace it is a span of it, which the publication carries to its receivers.
pub async fn publish(
    publisher: &dyn Publisher,
    publication: &mut Publication,
    trace: Option<&Trace>,
    metrics: Option<&PublishMetrics>,
) -> Result<PublicationId, TopicError> {
    let began = Instant::now();
    let answer = traced(publisher, publication, trace).await;
    if let Some(metrics) = metrics {
        metrics.published(CallResult::of_publish(&answer), began);
    }
    answer
}

async fn traced(
    publisher: &dyn Publisher,
    publication: &mut Publication,
    trace: Option<&Trace>,
) -> Result<PublicationId, TopicError> {
    let Some(trace) = trace else { return publisher.publish(publication).await };
    let publishing = match &publication.target {
        Target::Topic(arn) => trace.publish(Destination::Topic(arn.as_str())),
        Target::Phone(_) => trace.publish(Destination::Phone),
    };
    // The attributes of an SMS are SNS's own.
    if let (Target::Topic(_), Some(place)) = (&publication.target, publishing.context()) {
        let (traceparent, tracestate) = (place.traceparent(), place.tracestate());
        publication.carry_trace(traceparent, tracestate);
    }
    let answer = publisher.publish(publication).await;
    match &answer {
        Ok(PublicationId(id)) => publishing.taken(id),
        Err(error) => publishing.failed(error.code()),
    }
    answer
}
