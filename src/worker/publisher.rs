//! The SNS publishers of a queue's handler and notifications, by the settings.

use std::sync::Arc;

use url::Url;

use crate::{
    aws::{self, ServiceLocation},
    config::QueueSettings,
    handler,
    sns::notifications,
    sns::{Publisher, SnsPublisher, TopicArn},
};

/// The domains of AWS's own endpoints: one of them serves one service.
const AWS_DOMAINS: [&str; 4] =
    ["amazonaws.com", "amazonaws.com.cn", "api.aws", "api.amazonwebservices.com.cn"];

/// The publisher of a handler of the `sns` kind.
pub(super) fn of_handler(
    sns: &handler::sns::Settings,
    queue: &QueueSettings,
    process: &aws::Settings,
) -> Arc<dyn Publisher> {
    let region = sns.topic_arn.as_ref().map(TopicArn::region).or(sns.region.as_deref());
    publisher(region, sns.endpoint_url.as_deref(), queue, process)
}

/// The notifications of a queue, with a publisher in each topic's region.
pub(super) fn plan(queue: &QueueSettings, process: &aws::Settings) -> notifications::NotificationPlan {
    let (settings, process, own) = (queue.notify.clone(), process.clone(), queue.clone());
    let endpoint = settings.endpoint_url.clone();
    let publishers =
        move |topic: &TopicArn| publisher(Some(topic.region()), endpoint.as_deref(), &own, &process);
    notifications::NotificationPlan { settings, publishers: Arc::new(publishers) }
}

fn publisher(
    region: Option<&str>,
    endpoint: Option<&str>,
    queue: &QueueSettings,
    process: &aws::Settings,
) -> Arc<dyn Publisher> {
    let reach = queue.reach(process);
    let endpoint_url = endpoint.map(str::to_owned).or_else(|| emulator(queue, &reach));
    let region = region.map(str::to_owned).or_else(|| process.region.clone());
    let settings = aws::Settings { region, endpoint_url, profile: process.profile.clone() };
    Arc::new(SnsPublisher::new(settings, ServiceLocation::default()))
}

/// The endpoint of the queue's emulator, which serves topics too.
fn emulator(queue: &QueueSettings, reach: &aws::Settings) -> Option<String> {
    let address = reach.endpoint_url.as_deref().or(queue.url.as_deref())?;
    let url = Url::parse(address).ok()?;
    let host = url.host_str()?;
    let is_in = |domain: &&str| host.strip_suffix(*domain).is_some_and(|rest| rest.ends_with('.'));
    (!AWS_DOMAINS.iter().any(is_in)).then(|| url.origin().ascii_serialization())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn emulator_of(url: &str, endpoint_url: Option<&str>) -> Option<String> {
        let queue = QueueSettings { url: Some(url.to_owned()), ..QueueSettings::default() };
        let reach =
            aws::Settings { endpoint_url: endpoint_url.map(str::to_owned), ..aws::Settings::default() };
        emulator(&queue, &reach)
    }

    #[test]
    fn an_emulator_of_sqs_serves_topics_too_and_an_endpoint_of_aws_does_not() {
        let emulator = "http://localstack:4566";
        assert_eq!(
            emulator_of("http://localstack:4566/000000000000/orders", None).as_deref(),
            Some(emulator)
        );
        let aws = "https://sqs.eu-west-1.amazonaws.com/123456789012/orders";
        assert_eq!(emulator_of(aws, None), None);
        assert_eq!(emulator_of(aws, Some(emulator)).as_deref(), Some(emulator));
        for door in ["https://vpce-1.sqs.eu-west-1.vpce.amazonaws.com", "https://sqs.eu-west-1.api.aws"] {
            assert_eq!(emulator_of(aws, Some(door)), None, "{door}");
        }
    }
}
