//! Publishing as part of a trace.

use crate::{
    telemetry::traces::{Destination, Trace},
    topic::{Publication, PublicationId, Publisher, Target, TopicError},
};

/// Publishes; in a trace, that is a span of it, which the publication carries to its receivers.
pub async fn publish(
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
