//! One condition of a filter policy.

use std::net::IpAddr;

use serde_json::Value;

use super::{
    FoundValues,
    text::{PolicyContent, PolicyProblem, PolicyValue},
};

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
    pub(super) fn parse(value: &PolicyValue) -> Result<Self, PolicyProblem> {
        match &value.content {
            PolicyContent::Object(members) => Self::operator(members, value.end),
            PolicyContent::Array(_) => {
                let reason = "Match value must be String, number, true, false, or null";
                Err(PolicyProblem::at(value.begin, reason))
            }
            PolicyContent::Scalar(value) => Ok(Self::Equals(value.clone())),
        }
    }

    fn operator(members: &[(String, PolicyValue)], end: usize) -> Result<Self, PolicyProblem> {
        let reason = "Only one key allowed in match expression";
        let [(operator, operand), others @ ..] = members else { return Err(PolicyProblem::at(end, reason)) };
        let condition = Self::of_operator(operator, operand)?;
        match others.first() {
            Some((_, other)) => Err(PolicyProblem::at(other.begin, reason)),
            None => Ok(condition),
        }
    }

    fn of_operator(operator: &str, operand: &PolicyValue) -> Result<Self, PolicyProblem> {
        let text = || {
            let text = operand.as_str().map(str::to_owned);
            text.ok_or_else(|| {
                PolicyProblem::at(operand.begin, format!("{operator} match pattern must be a string"))
            })
        };
        match operator {
            "prefix" => text().map(Self::Prefix),
            "suffix" => text().map(Self::Suffix),
            "equals-ignore-case" => Ok(Self::IgnoreCase(text()?.to_lowercase())),
            "exists" => match operand.content {
                PolicyContent::Scalar(Value::Bool(true)) => Ok(Self::Exists),
                PolicyContent::Scalar(Value::Bool(false)) => Ok(Self::Absent),
                _ => {
                    let reason = "exists match pattern must be either true or false.";
                    Err(PolicyProblem::at(operand.begin, reason))
                }
            },
            "anything-but" => Self::not(operand),
            "numeric" => numeric(operand).map(Self::Numeric),
            "cidr" => IpNetwork::parse(operand).map(Self::Network),
            _ => Err(PolicyProblem::at(operand.begin, format!("Unrecognized match type {operator}"))),
        }
    }

    fn not(operand: &PolicyValue) -> Result<Self, PolicyProblem> {
        let conditions = match &operand.content {
            PolicyContent::Array(values) => values.iter().map(Self::parse).collect::<Result<_, _>>()?,
            PolicyContent::Object(members) => {
                if let Some((other, value)) = members.iter().find(|(operator, _)| operator != "prefix") {
                    let reason = format!("Unsupported anything-but pattern: {other}");
                    return Err(PolicyProblem::at(value.begin, reason));
                }
                vec![Self::parse(operand)?]
            }
            PolicyContent::Scalar(_) => vec![Self::parse(operand)?],
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
///
/// The order of the checks is that of the positions that are recorded: an operator is checked when the value behind it
/// was read, and a range when its array has ended.
fn numeric(operand: &PolicyValue) -> Result<Vec<(NumericComparison, f64)>, PolicyProblem> {
    let terms = if let PolicyContent::Array(terms) = &operand.content { terms.as_slice() } else { &[] };
    let begin = |term: Option<&PolicyValue>| term.map_or(operand.end, |term| term.begin);
    let [first, rest @ ..] = terms else {
        return Err(PolicyProblem::at(operand.end, "Invalid member in numeric match: ]"));
    };
    let operator = first
        .as_str()
        .ok_or_else(|| PolicyProblem::at(first.begin, format!("Invalid member in numeric match: {first}")))?;
    let comparison = NumericComparison::parse(operator).ok_or_else(|| {
        PolicyProblem::at(begin(rest.first()), format!("Unrecognized numeric range operator: {operator}"))
    })?;
    let bound = |operator: &str, value: Option<&PolicyValue>| {
        let name = if operator == "=" { "equals" } else { operator };
        let number = value.and_then(PolicyValue::as_f64);
        number.ok_or_else(|| PolicyProblem::at(begin(value), format!("Value of {name} must be numeric")))
    };
    let bottom = bound(operator, rest.first())?;
    let [_, second, rest @ ..] = rest else { return Ok(vec![(comparison, bottom)]) };
    if !matches!(comparison, NumericComparison::Greater | NumericComparison::GreaterOrEqual) {
        return Err(PolicyProblem::at(second.begin, "Too many elements in numeric expression"));
    }
    let operator = second
        .as_str()
        .ok_or_else(|| PolicyProblem::at(second.begin, format!("Bad value in numeric range: {second}")))?;
    let upper = NumericComparison::parse(operator)
        .filter(|upper| matches!(upper, NumericComparison::Less | NumericComparison::LessOrEqual))
        .ok_or_else(|| PolicyProblem::at(second.end, format!("Bad numeric range operator: {operator}")))?;
    let top = bound(operator, rest.first())?;
    if let Some(more) = rest.get(1) {
        return Err(PolicyProblem::at(more.begin, "Too many terms in numeric range expression"));
    }
    if top <= bottom {
        return Err(PolicyProblem::at(operand.end, "Bottom must be less than top"));
    }
    Ok(vec![(comparison, bottom), (upper, top)])
}

impl IpNetwork {
    fn parse(operand: &PolicyValue) -> Result<Self, PolicyProblem> {
        // SNS calls it a prefix (recorded against AWS).
        let reason = "prefix match pattern must be a string";
        let text = operand.as_str().ok_or_else(|| PolicyProblem::at(operand.begin, reason))?;
        let malformed = |reason: &str| PolicyProblem::from(format!("Malformed CIDR, {reason}"));
        let parts: Vec<&str> = text.split('/').collect();
        let [address, bits] = parts[..] else { return Err(malformed("one '/' required")) };
        let bits: i64 = bits.parse().map_err(|_| malformed("mask bits must be an integer"))?;
        let parsed: Option<IpAddr> = address.parse().ok();
        let is_mask = |ip: &IpAddr, bits: u8| bits <= if ip.is_ipv4() { 32 } else { 128 };
        match (parsed, u8::try_from(bits)) {
            (Some(ip), Ok(bits)) if is_mask(&ip, bits) => Ok(Self { address: ip, bits }),
            _ => Err(format!("Nonstandard IP address: {address}").into()),
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
