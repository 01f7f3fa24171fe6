//! Writes the XML of the query protocol.

use quick_xml::escape::escape;

use crate::limits;

/// The XML namespace of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum XmlNamespace {
    /// SQS.
    Sqs,
    /// SNS.
    Sns,
}

impl XmlNamespace {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Sqs => "http://queue.amazonaws.com/doc/2012-11-05/",
            Self::Sns => "http://sns.amazonaws.com/doc/2010-03-31/",
        }
    }
}

/// An XML document that is being written.
#[derive(Debug, Default)]
pub(super) struct XmlWriter(String);

impl XmlWriter {
    /// Writes a document whose root element has the namespace of its service.
    pub(super) fn document(namespace: XmlNamespace, root: &str, content: impl FnOnce(&mut Self)) -> String {
        let namespace = namespace.as_str();
        let mut xml = Self(format!("<?xml version=\"1.0\"?><{root} xmlns=\"{namespace}\">"));
        content(&mut xml);
        xml.close(root);
        xml.0
    }

    /// Writes an element with elements in it, or `<name/>` without.
    pub(super) fn element(&mut self, name: &str, content: impl FnOnce(&mut Self)) {
        self.open(name);
        let begin = self.0.len();
        content(self);
        if self.0.len() == begin {
            self.0.pop();
            self.0.push_str("/>");
        } else {
            self.close(name);
        }
    }

    /// Writes an element with a text; escapes carriage returns, which a parser would turn into newlines.
    ///
    /// An error may quote characters that XML has no form for, not even escaped: each becomes U+FFFD.
    pub(super) fn text(&mut self, name: &str, text: &str) {
        self.open(name);
        if text.chars().all(limits::is_allowed) {
            self.0.push_str(&escape(text));
        } else {
            let allowed = |character| if limits::is_allowed(character) { character } else { '\u{fffd}' };
            self.0.push_str(&escape(text.chars().map(allowed).collect::<String>()));
        }
        self.close(name);
    }

    /// Writes an element with a text, if there is one.
    pub(super) fn optional(&mut self, name: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.text(name, text);
        }
    }

    /// Writes a map as SQS does: one element per pair, with the key and the value in elements of these names.
    pub(super) fn pairs<'a, K: AsRef<str> + 'a, V: AsRef<str> + 'a>(
        &mut self,
        name: &str,
        key_name: &str,
        pairs: impl IntoIterator<Item = (&'a K, &'a V)>,
    ) {
        for (key, value) in pairs {
            self.element(name, |xml| {
                xml.text(key_name, key.as_ref());
                xml.text("Value", value.as_ref());
            });
        }
    }

    /// Writes a list as SNS does: one element with a `member` for each item.
    pub(super) fn members<I>(
        &mut self,
        name: &str,
        items: impl IntoIterator<Item = I>,
        mut content: impl FnMut(&mut Self, I),
    ) {
        self.element(name, |xml| {
            for item in items {
                xml.element("member", |xml| content(xml, item));
            }
        });
    }

    fn open(&mut self, name: &str) {
        self.0.extend(["<", name, ">"]);
    }

    fn close(&mut self, name: &str) {
        self.0.extend(["</", name, ">"]);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use quick_xml::{Reader, XmlVersion, escape::resolve_predefined_entity, events::Event};

    use super::*;

    fn text_in(document: &str) -> String {
        let mut reader = Reader::from_str(document);
        let mut text = String::new();
        loop {
            match reader.read_event().unwrap() {
                Event::Text(part) => text.push_str(&part.xml_content(XmlVersion::Explicit1_0)),
                Event::GeneralRef(reference) => {
                    let character = reference.resolve_char_ref().unwrap();
                    text.extend(character);
                    if character.is_none() {
                        text.push_str(resolve_predefined_entity(&reference).unwrap());
                    }
                }
                Event::Eof => return text,
                _ => {}
            }
        }
    }

    #[test]
    fn a_response_has_the_namespace_of_sqs() {
        let content = |xml: &mut XmlWriter| xml.element("AResult", |xml| xml.text("B", "c<d"));
        let document = XmlWriter::document(XmlNamespace::Sqs, "AResponse", content);
        assert_eq!(
            document,
            "<?xml version=\"1.0\"?><AResponse xmlns=\"http://queue.amazonaws.com/doc/2012-11-05/\">\
             <AResult><B>c&lt;d</B></AResult></AResponse>"
        );
    }

    #[test]
    fn a_character_that_xml_does_not_have_is_replaced() {
        let document = XmlWriter::document(XmlNamespace::Sqs, "A", |xml| xml.text("B", "\0<\u{1}\u{ffff}"));
        assert_eq!(text_in(&document), "\u{fffd}<\u{fffd}\u{fffd}");
    }

    proptest! {
        #[test]
        fn a_document_is_valid_xml_whatever_an_error_quotes(text in proptest::collection::vec(any::<char>(), 0..40)) {
            let text: String = text.into_iter().chain(['\0', '\u{1b}', '\u{FFFE}']).collect();
            let document = XmlWriter::document(XmlNamespace::Sqs, "A", |xml| xml.text("B", &text));
            prop_assert!(document.chars().all(limits::is_allowed));
            prop_assert_eq!(text_in(&document), text.replace(|c| !limits::is_allowed(c), "\u{FFFD}"));
        }

        #[test]
        fn every_text_that_sqs_accepts_is_parsed_as_it_was_written(
            text in proptest::collection::vec(any::<char>().prop_filter("sqs", |c| limits::is_allowed(*c)), 0..40)
        ) {
            let text: String = text.into_iter().collect();
            let document = XmlWriter::document(XmlNamespace::Sqs, "A", |xml| xml.text("B", &text));
            prop_assert_eq!(text_in(&document), text);
        }
    }
}
