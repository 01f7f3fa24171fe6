//! Received messages on the wire, with as much of each as was asked for.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use super::{
    attribute::{Choice, WireAttribute},
    call::Answer,
    xml::Xml,
};
use crate::queue::{md5, memory::Received};

/// What a receive answers.
#[derive(Debug)]
pub(super) struct Messages {
    /// The messages, whole.
    pub(super) received: Vec<Received>,
    /// The system attributes that were asked for.
    pub(super) system: Choice,
    /// The user's attributes that were asked for.
    pub(super) attributes: Choice,
}

/// A message as it is answered; the names are those of the JSON protocol.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct WireMessage<'a> {
    message_id: &'a str,
    receipt_handle: &'a str,
    #[serde(rename = "MD5OfBody")]
    md5_of_body: &'a str,
    body: &'a str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    attributes: BTreeMap<&'static str, String>,
    #[serde(rename = "MD5OfMessageAttributes", skip_serializing_if = "Option::is_none")]
    md5_of_attributes: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    message_attributes: BTreeMap<&'a str, WireAttribute>,
}

impl Messages {
    fn wire<'a>(&'a self, received: &'a Received) -> WireMessage<'a> {
        let content = &received.content;
        let mut system = BTreeMap::new();
        if !self.system.is_empty() {
            system
                .extend(received.system_attributes().into_iter().filter(|(name, _)| self.system.takes(name)));
        }
        let attributes = content.attributes.iter().map(|(name, value)| (name.as_str(), value));
        let attributes = attributes.filter(|(name, _)| self.attributes.takes(name));
        WireMessage {
            message_id: content.id.as_str(),
            receipt_handle: received.receipt.as_str(),
            md5_of_body: &content.md5_of_body,
            body: &content.body,
            attributes: system,
            // Over what is handed out alone: the SDKs check it against that.
            md5_of_attributes: md5::of_attributes(attributes.clone()),
            message_attributes: attributes.map(|(name, value)| (name, value.into())).collect(),
        }
    }
}

impl Serialize for Messages {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Whole<'a> {
            #[serde(skip_serializing_if = "Vec::is_empty")]
            messages: Vec<WireMessage<'a>>,
        }
        let messages = self.received.iter().map(|received| self.wire(received)).collect();
        Whole { messages }.serialize(serializer)
    }
}

impl Answer for Messages {
    fn xml(&self, xml: &mut Xml) {
        for received in &self.received {
            xml.element("Message", |xml| self.wire(received).xml(xml));
        }
    }
}

impl WireMessage<'_> {
    fn xml(&self, xml: &mut Xml) {
        xml.text("MessageId", self.message_id);
        xml.text("ReceiptHandle", self.receipt_handle);
        xml.text("MD5OfBody", self.md5_of_body);
        xml.text("Body", self.body);
        xml.pairs("Attribute", "Name", &self.attributes);
        xml.optional("MD5OfMessageAttributes", self.md5_of_attributes.as_deref());
        for (name, attribute) in &self.message_attributes {
            xml.element("MessageAttribute", |xml| {
                xml.text("Name", name);
                xml.element("Value", |xml| attribute.xml(xml));
            });
        }
    }
}
