//! One condition of a filter policy.

use std::net::IpAddr;

use serde_json::{Map, Value};

use super::FoundValues;

/// A condition for one value.
#[derive(Clone, Debug)]
pub(super) enum FilterCondition {
    Equals(Value),
    Prefix(String),
    Suffix(String),
    IgnoreCase(String),
    Not(Vec<FilterCondition>),
    Numeric(Vec<(NumericComparison, f64)>),
    Network(IpNetwork),
    Exists,
    Absent,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NumericComparison {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// An address range in CIDR notation.
#[derive(Clone, Copy, Debug)]
pub(super) struct IpNetwork {
    address: IpAddr,
    bits: u8,
}

impl FilterCondition {
    /// Parses a condition; the error is the reason of SNS.
    pub(super) fn parse(value: &Value) -> Result<Self, String> {
        match value {
            Value::Object(object) => Self::operator(object),
            Value::Array(_) => Err("Match value must be String, number, true, false, or null".to_owned()),
            value => Ok(Self::Equals(value.clone())),
        }
    }

    fn operator(object: &Map<String, Value>) -> Result<Self, String> {
        let mut entries = object.iter();
        let (Some((operator, operand)), None) = (entries.next(), entries.next()) else {
            return Err("Only one key allowed in match expression".to_owned());
        };
        let text = || {
            let text = operand.as_str().map(str::to_owned);
            text.ok_or_else(|| format!("{operator} match pattern must be a string"))
        };
        match operator.as_str() {
            "prefix" => text().map(Self::Prefix),
            "suffix" => text().map(Self::Suffix),
            "equals-ignore-case" => Ok(Self::IgnoreCase(text()?.to_lowercase())),
            "exists" => match operand {
                Value::Bool(true) => Ok(Self::Exists),
                Value::Bool(false) => Ok(Self::Absent),
                _ => Err("exists match pattern must be either true or false.".to_owned()),
            },
            "anything-but" => Self::not(operand),
            "numeric" => numeric(operand).map(Self::Numeric),
            "cidr" => IpNetwork::parse(operand).map(Self::Network),
            _ => Err(format!("Unrecognized match type {operator}")),
        }
    }

    fn not(operand: &Value) -> Result<Self, String> {
        let conditions = match operand {
            Value::Array(values) => values.iter().map(Self::parse).collect::<Result<_, _>>()?,
            Value::Object(object) => {
                if let Some(other) = object.keys().find(|operator| *operator != "prefix") {
                    return Err(format!("Unsupported anything-but pattern: {other}"));
                }
                vec![Self::parse(operand)?]
            }
            value => vec![Self::parse(value)?],
        };
        Ok(Self::Not(conditions))
    }

    /// Returns true if the condition holds for one of the values, or for their absence.
    pub(super) fn matches(&self, found: &FoundValues) -> bool {
        match self {
            Self::Absent => found.is_absent,
            Self::Exists => !found.values.is_empty(),
            _ => found.values.iter().any(|value| self.holds(value)),
        }
    }

    fn holds(&self, value: &Value) -> bool {
        let text = value.as_str();
        match self {
            Self::Equals(wanted) => match (wanted.as_f64(), value.as_f64()) {
                (Some(wanted), Some(number)) => is_same(wanted, number),
                _ => wanted == value,
            },
            Self::Prefix(prefix) => text.is_some_and(|text| text.starts_with(prefix)),
            Self::Suffix(suffix) => text.is_some_and(|text| text.ends_with(suffix)),
            Self::IgnoreCase(wanted) => text.is_some_and(|text| text.to_lowercase() == *wanted),
            Self::Not(conditions) => {
                !value.is_null() && !conditions.iter().any(|condition| condition.holds(value))
            }
            Self::Numeric(terms) => value.as_f64().is_some_and(|number| {
                terms.iter().all(|(comparison, bound)| comparison.holds(number, *bound))
            }),
            Self::Network(network) => {
                text.and_then(|text| text.parse().ok()).is_some_and(|ip| network.contains(ip))
            }
            Self::Exists | Self::Absent => false,
        }
    }
}

/// Compares numbers to five decimal places, as SNS does.
fn is_same(one: f64, other: f64) -> bool {
    (one - other).abs() < 0.000_005
}

impl NumericComparison {
    fn parse(operator: &str) -> Option<Self> {
        match operator {
            "=" => Some(Self::Equal),
            "<" => Some(Self::Less),
            "<=" => Some(Self::LessOrEqual),
            ">" => Some(Self::Greater),
            ">=" => Some(Self::GreaterOrEqual),
            _ => None,
        }
    }

    fn holds(self, number: f64, bound: f64) -> bool {
        match self {
            Self::Equal => is_same(number, bound),
            Self::Less => number < bound,
            Self::LessOrEqual => number <= bound,
            Self::Greater => number > bound,
            Self::GreaterOrEqual => number >= bound,
        }
    }
}

/// Parses `[">", 1, "<=", 5]`, or one of its halves.
fn numeric(operand: &Value) -> Result<Vec<(NumericComparison, f64)>, String> {
    let terms = operand.as_array().map(Vec::as_slice).unwrap_or_default();
    let [first, rest @ ..] = terms else { return Err("Invalid member in numeric match: ]".to_owned()) };
    let operator = first.as_str().ok_or_else(|| format!("Invalid member in numeric match: {first}"))?;
    let comparison = NumericComparison::parse(operator)
        .ok_or_else(|| format!("Unrecognized numeric range operator: {operator}"))?;
    let bottom = bound(operator, rest.first())?;
    let [_, second, rest @ ..] = rest else { return Ok(vec![(comparison, bottom)]) };
    if !matches!(comparison, NumericComparison::Greater | NumericComparison::GreaterOrEqual) {
        return Err("Too many elements in numeric expression".to_owned());
    }
    let operator = second.as_str().ok_or_else(|| format!("Bad value in numeric range: {second}"))?;
    let upper = NumericComparison::parse(operator)
        .filter(|upper| matches!(upper, NumericComparison::Less | NumericComparison::LessOrEqual))
        .ok_or_else(|| format!("Bad numeric range operator: {operator}"))?;
    let top = bound(operator, rest.first())?;
    if top <= bottom {
        return Err("Bottom must be less than top".to_owned());
    }
    if rest.len() > 1 {
        return Err("Too many terms in numeric range expression".to_owned());
    }
    Ok(vec![(comparison, bottom), (upper, top)])
}

fn bound(operator: &str, value: Option<&Value>) -> Result<f64, String> {
    let name = if operator == "=" { "equals" } else { operator };
    value.and_then(Value::as_f64).ok_or_else(|| format!("Value of {name} must be numeric"))
}

impl IpNetwork {
    fn parse(operand: &Value) -> Result<Self, String> {
        // SNS calls it a prefix (recorded against AWS).
        let text = operand.as_str().ok_or("prefix match pattern must be a string")?;
        let parts: Vec<&str> = text.split('/').collect();
        let [address, bits] = parts[..] else { return Err("Malformed CIDR, one '/' required".to_owned()) };
        let bits: i64 = bits.parse().map_err(|_| "Malformed CIDR, mask bits must be an integer")?;
        let parsed: Option<IpAddr> = address.parse().ok();
        let is_mask = |ip: &IpAddr, bits: u8| bits <= if ip.is_ipv4() { 32 } else { 128 };
        match (parsed, u8::try_from(bits)) {
            (Some(ip), Ok(bits)) if is_mask(&ip, bits) => Ok(Self { address: ip, bits }),
            _ => Err(format!("Nonstandard IP address: {address}")),
        }
    }

    fn contains(self, ip: IpAddr) -> bool {
        let (network, ip, width) = match (self.address, ip) {
            (IpAddr::V4(network), IpAddr::V4(ip)) => {
                (u128::from(network.to_bits()), u128::from(ip.to_bits()), 32)
            }
            (IpAddr::V6(network), IpAddr::V6(ip)) => (network.to_bits(), ip.to_bits(), 128),
            _ => return false,
        };
        let host_bits = width - u32::from(self.bits);
        (network ^ ip).checked_shr(host_bits).unwrap_or(0) == 0
    }
}
