//! The topics that `longshore dev` begins with: those that its settings name.

use crate::{
    queue::memory::Names,
    sns::{
        TopicArn,
        memory::{Fault, Topics},
    },
};

/// Creates a topic of the same name in the embedded account, and answers its ARN there.
pub fn adopt_topic(topics: &Topics, topic: &TopicArn) -> Result<TopicArn, Fault> {
    let mut attributes = Names::new();
    if topic.is_fifo() {
        attributes.insert("FifoTopic".to_owned(), "true".to_owned());
    }
    topics.create(topic.name(), &attributes, &Names::new())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::memory::Account;

    #[test]
    fn a_topic_keeps_its_name_and_its_kind() {
        let topics = Topics::beside(Account::default());
        for name in ["orders", "orders.fifo"] {
            let topic = TopicArn::new("eu-west-1", "123456789012", name).unwrap();
            let adopted = adopt_topic(&topics, &topic).unwrap();
            assert_eq!(adopted, TopicArn::new("us-east-1", "000000000000", name).unwrap());
            let attributes = topics.attributes(adopted.as_str()).unwrap();
            assert_eq!(attributes.contains_key("FifoTopic"), topic.is_fifo());
        }
    }
}
