//! Deserializes the parameters of the query protocol into the types of the JSON protocol.
//!
//! The query protocol flattens the nesting of JSON: `Entry.1.Id=a&Entry.1.Tag.1.Key=b`. The parameters become a tree
//! again, and the requested type decides whether a branch is a list, a map or a structure.

use std::{collections::BTreeMap, str::FromStr};

use serde::{
    Deserializer,
    de::{
        DeserializeOwned, Error as _, IntoDeserializer, Visitor,
        value::{Error, MapDeserializer, SeqDeserializer},
    },
    forward_to_deserialize_any,
};
use url::form_urlencoded;

use crate::limits::{PARAMETER_DEPTH, PARAMETER_NAME_BYTES, PARAMETERS};

/// The parameters of a request, as a tree.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct QueryForm {
    tree: Branch,
    parameters: usize,
}

type Branch = BTreeMap<String, FormNode>;

static EMPTY: Branch = Branch::new();

#[derive(Debug, PartialEq, Eq)]
enum FormNode {
    Leaf(String),
    Branch(Branch),
}

impl QueryForm {
    /// Adds the parameters of a query string or of a form body, unless one exceeds the bounds of every request.
    ///
    /// A short name may become a tree of many nodes, so the size of the body alone is no bound for its memory.
    pub(super) fn read(&mut self, encoded: &[u8]) -> Result<(), Error> {
        for (name, value) in form_urlencoded::parse(encoded) {
            self.parameters += 1;
            let path: Vec<&str> = name.split('.').take(PARAMETER_DEPTH + 1).collect();
            check_bounds(self.parameters, path.len(), name.len())?;
            insert(&mut self.tree, &path, value.into_owned());
        }
        Ok(())
    }

    /// A parameter that is neither a list nor a map.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        match self.tree.get(name) {
            Some(FormNode::Leaf(value)) => Some(value),
            _ => None,
        }
    }

    /// Deserializes the parameters.
    pub(super) fn decode<T: DeserializeOwned>(&self) -> Result<T, Error> {
        T::deserialize(structure(&self.tree))
    }
}

fn check_bounds(parameters: usize, depth: usize, name_bytes: usize) -> Result<(), Error> {
    if parameters > PARAMETERS {
        return Err(Error::custom(format!("more than {PARAMETERS} parameters")));
    }
    if depth > PARAMETER_DEPTH {
        return Err(Error::custom(format!("a name of more than {PARAMETER_DEPTH} parts")));
    }
    if name_bytes > PARAMETER_NAME_BYTES {
        return Err(Error::custom(format!("a name of more than {PARAMETER_NAME_BYTES} bytes")));
    }
    Ok(())
}

/// A later parameter of the same name wins.
fn insert(branch: &mut Branch, path: &[&str], value: String) {
    let [name, rest @ ..] = path else { return };
    if rest.is_empty() {
        branch.insert((*name).to_owned(), FormNode::Leaf(value));
        return;
    }
    let node = branch.entry((*name).to_owned()).or_insert_with(|| FormNode::Branch(Branch::new()));
    if let FormNode::Leaf(_) = node {
        *node = FormNode::Branch(Branch::new());
    }
    if let FormNode::Branch(inner) = node {
        insert(inner, rest, value);
    }
}

fn structure(branch: &Branch) -> MapDeserializer<'_, impl Iterator<Item = (&str, &FormNode)>, Error> {
    MapDeserializer::new(branch.iter().map(|(name, node)| (name.as_str(), node)))
}

/// The nodes of a list in the order of their numbers, which SNS prefixes with `member` or `entry`.
fn numbered(branch: &Branch) -> Result<Vec<&FormNode>, Error> {
    let of_sns = branch.get("member").or_else(|| branch.get("entry"));
    if let Some(inner) = of_sns {
        return numbered(inner.branch()?);
    }
    let mut nodes = Vec::with_capacity(branch.len());
    for (name, node) in branch {
        let position: u32 = name.parse().map_err(|_| Error::custom(format!("not a position: {name}")))?;
        nodes.push((position, node));
    }
    nodes.sort_by_key(|(position, _)| *position);
    Ok(nodes.into_iter().map(|(_, node)| node).collect())
}

impl FormNode {
    fn leaf(&self) -> Result<&str, Error> {
        match self {
            Self::Leaf(value) => Ok(value),
            Self::Branch(_) => Err(Error::custom("a single value was expected")),
        }
    }

    fn branch(&self) -> Result<&Branch, Error> {
        match self {
            Self::Branch(branch) => Ok(branch),
            // Clients of the query protocol write an empty list as an empty value.
            Self::Leaf(value) if value.is_empty() => Ok(&EMPTY),
            Self::Leaf(_) => Err(Error::custom("a list or a structure was expected")),
        }
    }

    fn number<T: FromStr>(&self) -> Result<T, Error> {
        let value = self.leaf()?;
        value.parse().map_err(|_| Error::custom(format!("not a number: {value}")))
    }

    /// A pair of a map; the key is called `Name`, `Key` or (in SNS) `key`.
    fn pair(&self) -> Result<(&str, &FormNode), Error> {
        let branch = self.branch()?;
        let key = ["Name", "Key", "key"].iter().find_map(|name| branch.get(*name));
        let key = key.ok_or_else(|| Error::custom("a name or a key was expected"))?;
        let value = ["Value", "value"].iter().find_map(|name| branch.get(*name));
        let value = value.ok_or_else(|| Error::custom("a value was expected"))?;
        Ok((key.leaf()?, value))
    }
}

impl<'de> IntoDeserializer<'de, Error> for &'de FormNode {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for &'de FormNode {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_borrowed_str(self.leaf()?)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_i64(self.number()?)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_seq(SeqDeserializer::new(numbered(self.branch()?)?.into_iter()))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let pairs: Result<Vec<_>, Error> =
            numbered(self.branch()?)?.into_iter().map(FormNode::pair).collect();
        visitor.visit_map(MapDeserializer::new(pairs?.into_iter()))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_map(structure(self.branch()?))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf unit unit_struct
        newtype_struct tuple tuple_struct enum identifier
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(rename_all = "PascalCase", default)]
    struct Request {
        body: Option<String>,
        delay: Option<i64>,
        #[serde(alias = "Name")]
        names: Option<Vec<String>>,
        #[serde(alias = "Tag")]
        tags: Option<BTreeMap<String, String>>,
        #[serde(alias = "RequestEntry")]
        entries: Option<Vec<Request>>,
    }

    fn decode(encoded: &str) -> Result<Request, Error> {
        let mut form = QueryForm::default();
        form.read(encoded.as_bytes())?;
        form.decode()
    }

    #[test]
    fn the_flattened_parameters_become_a_structure_again() {
        let request = decode(
            "Action=X&Body=a%26b%2Bc+d%25&Delay=5&Name.2=second&Name.10=tenth&Name.1=first\
             &Tag.1.Key=k&Tag.1.Value=v&Tag.2.Name=n&Tag.2.Value=&RequestEntry.1.Body=12&RequestEntry.1.Name.1=x",
        );
        let expected = Request {
            body: Some("a&b+c d%".to_owned()),
            delay: Some(5),
            names: Some(vec!["first".to_owned(), "second".to_owned(), "tenth".to_owned()]),
            tags: Some(BTreeMap::from([("k".into(), "v".into()), ("n".into(), String::new())])),
            entries: Some(vec![Request {
                body: Some("12".to_owned()),
                names: Some(vec!["x".to_owned()]),
                ..Request::default()
            }]),
        };
        assert_eq!(request, Ok(expected));
    }

    #[test]
    fn the_lists_and_maps_of_sns_are_read_too() {
        let request = decode(
            "Names.member.2=b&Names.member.1=a&Tags.entry.1.key=k&Tags.entry.1.value=v\
             &Entries.member.1.Tags.entry.1.Name=n&Entries.member.1.Tags.entry.1.Value=w",
        );
        let tags = |name: &str, value: &str| Some(BTreeMap::from([(name.to_owned(), value.to_owned())]));
        let expected = Request {
            names: Some(vec!["a".to_owned(), "b".to_owned()]),
            tags: tags("k", "v"),
            entries: Some(vec![Request { tags: tags("n", "w"), ..Request::default() }]),
            ..Request::default()
        };
        assert_eq!(request, Ok(expected));
    }

    #[test]
    fn a_list_or_a_map_that_is_empty_is_written_as_an_empty_value() {
        let empty = Request { names: Some(Vec::new()), tags: Some(BTreeMap::new()), ..Request::default() };
        assert_eq!(decode("Name=&Tag="), Ok(empty));
    }

    #[test]
    fn a_parameter_of_another_type_is_refused() {
        for encoded in ["Delay=soon", "Name=x", "Name.a=x", "Body.1=x", "Tag.1.Key=k", "RequestEntry.1=x"] {
            assert!(decode(encoded).is_err(), "{encoded}");
        }
    }

    proptest! {
        #[test]
        fn no_parameters_make_the_decoding_panic(encoded in "([A-Z][a-z]{3,6}|[.=&%0-9]){0,40}|.*") {
            let mut form = QueryForm::default();
            drop(form.read(encoded.as_bytes()));
            drop(form.decode::<Request>());
        }
    }

    #[test]
    fn a_form_is_read_up_to_its_bounds_and_refused_beyond() {
        let many = |count: usize| "Other=&".repeat(count);
        let deep = |parts: usize| vec!["N"; parts].join(".");
        for (within, beyond) in [
            (many(PARAMETERS), many(PARAMETERS + 1)),
            (deep(PARAMETER_DEPTH), deep(PARAMETER_DEPTH + 1)),
            ("N".repeat(PARAMETER_NAME_BYTES), "N".repeat(PARAMETER_NAME_BYTES + 1)),
        ] {
            assert_eq!(decode(&within), Ok(Request::default()));
            assert!(decode(&beyond).unwrap_err().to_string().contains("more than"));
        }
    }

    #[test]
    fn the_parameters_of_the_url_and_of_the_body_count_together() {
        let mut form = QueryForm::default();
        assert!(form.read("Other=&".repeat(PARAMETERS).as_bytes()).is_ok());
        assert!(form.read(b"Other=").is_err());
    }
}
