//! Converts a message into a publication: pure.

use super::Settings;
use crate::{
    message::Message,
    queue,
    sns::{PhoneNumber, Publication, Target, TopicArn, limits},
};

/// The reason why a message can never be published.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unpublishable(pub(super) String);

/// Converts a message into a publication.
pub(super) fn publication(message: &Message, settings: &Settings) -> Result<Publication, Unpublishable> {
    match &settings.topic_arn {
        Some(topic) => Ok(to_topic(message, topic, settings.subject.clone())),
        None => to_phone(message, phone_number(message, settings)?),
    }
}

/// Publishes to a topic: with attributes, and on a FIFO topic with a group and a deduplication id.
///
/// A message without a group is its own group, since it has no order. The default deduplication id is the message id,
/// so that a message that runs twice is published once.
fn to_topic(message: &Message, topic: &TopicArn, subject: Option<String>) -> Publication {
    let (system, own_id) = (&message.system, message.id.as_str());
    let attributes = message.attributes.iter().take(queue::limits::ATTRIBUTES);
    let (group_id, deduplication_id) = if topic.is_fifo() {
        let group = system.group_id.as_deref().unwrap_or(own_id);
        let deduplication = system.deduplication_id.as_deref().unwrap_or(own_id);
        (Some(group.to_owned()), Some(deduplication.to_owned()))
    } else {
        (system.group_id.clone(), None)
    };
    Publication {
        target: Target::Topic(topic.clone()),
        body: message.body.clone(),
        subject,
        attributes: attributes.map(|(name, value)| (name.clone(), value.clone())).collect(),
        group_id,
        deduplication_id,
    }
}

/// Publishes to a phone: only the body, since the attributes of an SMS are SNS's own.
fn to_phone(message: &Message, number: PhoneNumber) -> Result<Publication, Unpublishable> {
    let (chars, max) = (message.body.chars().count(), limits::SMS_CHARS);
    if chars > max {
        let reason = format!("the body has {chars} characters, an sms has {max} at most");
        return Err(Unpublishable(reason));
    }
    Ok(Publication::new(Target::Phone(number), message.body.clone()))
}

fn phone_number(message: &Message, settings: &Settings) -> Result<PhoneNumber, Unpublishable> {
    let name = settings.phone_number_attribute.as_deref();
    let attribute = name.and_then(|name| message.attributes.get(name));
    match (attribute, &settings.phone_number, name) {
        (Some(value), _, Some(name)) => {
            let number = value.text().unwrap_or_default().parse();
            let number: PhoneNumber =
                number.map_err(|error| Unpublishable(format!("the attribute {name} is {error}")))?;
            let refused = || {
                Unpublishable(format!("the number in the attribute {name} has none of the phone_prefixes"))
            };
            Some(number).filter(|number| settings.allows(number)).ok_or_else(refused)
        }
        (_, Some(number), _) => Ok(number.clone()),
        (_, None, name) => {
            let name = name.unwrap_or_default();
            Err(Unpublishable(format!("the message has no attribute {name} with a phone number")))
        }
    }
}

/// The characters of GSM 03.38, ASCII's letters and digits aside.
const BASIC: &str = " @£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ!\"#¤%&'()*+,-./:;<=>?¡ÄÖÑÜ§¿äöñüà";
/// The characters of its extension, which take two septets.
const EXTENSION: &str = "^{}\\[~]|€";

/// The number of SMS that a text takes.
pub(super) fn sms_parts(text: &str) -> usize {
    let (units, single, several) = match text.chars().map(septets).sum::<Option<usize>>() {
        Some(septets) => (septets, 160, 153),
        None => (text.encode_utf16().count(), 70, 67),
    };
    if units <= single { 1 } else { units.div_ceil(several) }
}

fn septets(character: char) -> Option<usize> {
    if character.is_ascii_alphanumeric() || BASIC.contains(character) {
        return Some(1);
    }
    EXTENSION.contains(character).then_some(2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::AttributeValue;

    fn topic(name: &str) -> Settings {
        Settings::to_topic(TopicArn::new("eu-west-1", "123456789012", name).unwrap())
    }

    fn grouped() -> Message {
        let mut message = Message::new("id", "body");
        message.system.group_id = Some("group".to_owned());
        message.system.deduplication_id = Some("deduplication".to_owned());
        message
    }

    #[test]
    fn body_attributes_and_subject_are_carried_over() {
        let mut message = Message::new("id", "a body");
        for (name, value) in [
            ("string", AttributeValue::string("x")),
            ("number", AttributeValue { data_type: "Number.int".to_owned(), ..AttributeValue::number("1") }),
            ("binary", AttributeValue::binary([0, 255])),
        ] {
            message.attributes.insert(name.to_owned(), value);
        }
        let settings = Settings { subject: Some("Orders".to_owned()), ..topic("orders") };
        let published = publication(&message, &settings).unwrap();
        assert_eq!(published.body, "a body");
        assert_eq!(published.attributes, message.attributes);
        assert_eq!(published.subject.as_deref(), Some("Orders"));
        assert_eq!((published.group_id, published.deduplication_id), (None, None));
    }

    #[test]
    fn never_more_than_ten_attributes_are_carried_over() {
        let mut message = Message::new("id", "body");
        message.attributes = (0..12).map(|n| (n.to_string(), AttributeValue::string("x"))).collect();
        assert_eq!(publication(&message, &topic("orders")).unwrap().attributes.len(), 10);
    }

    #[test]
    fn group_and_deduplication_id_go_to_a_fifo_topic() {
        let published = publication(&grouped(), &topic("orders.fifo")).unwrap();
        assert_eq!(published.group_id.as_deref(), Some("group"));
        assert_eq!(published.deduplication_id.as_deref(), Some("deduplication"));
    }

    #[test]
    fn a_message_without_them_is_a_group_of_its_own_on_a_fifo_topic() {
        let published = publication(&Message::new("id", "body"), &topic("orders.fifo")).unwrap();
        assert_eq!(published.group_id.as_deref(), Some("id"));
        assert_eq!(published.deduplication_id.as_deref(), Some("id"));
    }

    #[test]
    fn a_standard_topic_gets_the_group_and_no_deduplication_id() {
        let published = publication(&grouped(), &topic("orders")).unwrap();
        assert_eq!(published.group_id.as_deref(), Some("group"));
        assert_eq!(published.deduplication_id, None);
    }

    fn number_in(attribute: Option<&str>, fallback: Option<&str>) -> Result<String, String> {
        let settings = Settings {
            phone_number: fallback.map(|number| number.parse().unwrap()),
            phone_number_attribute: Some("phone".to_owned()),
            ..Settings::default()
        };
        let mut message = Message::new("id", "body");
        if let Some(number) = attribute {
            message.attributes.insert("phone".to_owned(), AttributeValue::string(number));
        }
        let number = |publication: Publication| match publication.target {
            Target::Phone(number) => number.as_str().to_owned(),
            Target::Topic(_) => panic!("a topic"),
        };
        publication(&message, &settings).map(number).map_err(|Unpublishable(reason)| reason)
    }

    #[test]
    fn the_number_in_the_attribute_has_precedence() {
        assert_eq!(number_in(Some("+15550100123"), Some("+15550100999")).unwrap(), "+15550100123");
        assert_eq!(number_in(None, Some("+15550100999")).unwrap(), "+15550100999");
        assert!(number_in(None, None).unwrap_err().contains("no attribute phone"));
    }

    #[test]
    fn a_wrong_number_is_rejected_and_not_quoted() {
        let reason = number_in(Some("0155-501-0123"), Some("+15550100999")).unwrap_err();
        assert!(reason.contains("e.164") && !reason.contains("0123,"), "{reason}");
        assert!(!reason.contains("0155"), "{reason}");
    }

    #[test]
    fn a_number_without_an_allowed_prefix_is_rejected_and_not_quoted() {
        let settings = Settings::to_phone_of_attribute("phone").phone_prefixes(["+49", "+1555"]);
        let of = |number: &str| {
            let mut message = Message::new("id", "body");
            message.attributes.insert("phone".to_owned(), AttributeValue::string(number));
            publication(&message, &settings).map(drop).map_err(|Unpublishable(reason)| reason)
        };
        assert_eq!((of("+15550100123"), of("+4915510000")), (Ok(()), Ok(())));
        for other in ["+882510000", "+1900555"] {
            let reason = of(other).unwrap_err();
            assert!(reason.contains("phone_prefixes") && !reason.contains(&other[2..]), "{reason}");
        }
    }

    #[test]
    fn a_body_too_long_for_an_sms_is_rejected() {
        let settings = Settings { phone_number: "+15550100123".parse().ok(), ..Settings::default() };
        assert!(publication(&Message::new("id", "ü".repeat(1_600)), &settings).is_ok());
        let Unpublishable(reason) =
            publication(&Message::new("id", "x".repeat(1_601)), &settings).unwrap_err();
        assert!(reason.contains("1601") && reason.contains("1600"), "{reason}");
    }

    #[test]
    fn a_text_takes_as_many_sms_as_its_characters_fill() {
        for (text, count) in [
            (String::new(), 1),
            ("x".repeat(160), 1),
            ("x".repeat(161), 2),
            ("x".repeat(306), 2),
            ("x".repeat(307), 3),
            ("€".repeat(80), 1),
            ("€".repeat(81), 2),
            ("ä".repeat(160), 1),
            ("ç".repeat(70), 1),
            ("ç".repeat(71), 2),
            ("🚢".repeat(35), 1),
            ("🚢".repeat(36), 2),
            ("x".repeat(1_600), 11),
        ] {
            assert_eq!(sms_parts(&text), count, "{} of {:?}", text.chars().count(), text.chars().next());
        }
    }
}
