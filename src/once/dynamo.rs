//! Claims in a table of DynamoDB: one conditional write for each call.

use std::{
    collections::HashMap,
    future::Future,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aws_sdk_dynamodb::{
    Client,
    config::{Builder, http::HttpResponse},
    error::{ProvideErrorMetadata, SdkError},
    operation::update_item::UpdateItemError,
    types::{AttributeValue as Value, ReturnValuesOnConditionCheckFailure},
};
use futures_util::future::{BoxFuture, FutureExt as _};
use tokio::sync::OnceCell;

use super::{Claim, ClaimAnswer, ClaimError, ClaimStore};
use crate::aws::{
    self, AwsAccess, CallFailure, FailureKind, LoadedAccess, RenewableCredentials, ServiceLocation,
};

/// The partition key.
const ID: &str = "id";
/// The holder of the claim.
const HOLDER: &str = "holder";
/// The end of the claim, in milliseconds since 1970.
const CLAIMED_UNTIL: &str = "claimed_until";
/// The time at which the key was finished, in milliseconds since 1970.
const FINISHED_AT: &str = "finished_at";
/// The attribute for the table's time to live, in seconds since 1970.
const EXPIRES_AT: &str = "expires_at";

/// An item that does not count any more is claimed anew: DynamoDB removes expired ones days later.
const IS_FREE: &str = "attribute_not_exists(#id) OR #expires < :seconds \
    OR (attribute_not_exists(#finished) AND (#until < :now OR #holder = :holder))";
const IS_HELD: &str = "#holder = :holder AND attribute_not_exists(#finished)";
/// No item meets it: a call with it proves the access and changes nothing.
#[cfg(feature = "cli")]
const NEVER: &str = "attribute_exists(#id) AND attribute_not_exists(#id)";

/// Claims in a table of DynamoDB, whose partition key is `id`, a string.
///
/// Its attribute `expires_at` is meant for the table's time to live. The worker needs `dynamodb:UpdateItem` and
/// `dynamodb:DeleteItem`.
#[derive(Debug)]
pub struct DynamoClaims {
    table: String,
    access: AwsAccess,
    location: ServiceLocation,
    /// Created at the first call, because that reads files and needs a runtime.
    client: OnceCell<DynamoClient>,
}

/// The SDK's client, and its credentials unless they are the program's own.
#[derive(Debug)]
struct DynamoClient {
    sdk: Client,
    credentials: Option<RenewableCredentials>,
}

/// The state of a table's time to live.
#[cfg(feature = "cli")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TimeToLive {
    /// It removes expired claims.
    Fits,
    /// It is off.
    Off,
    /// It is that of another attribute.
    Other(String),
}

impl DynamoClaims {
    /// A table at this location; sends nothing yet, and needs no runtime.
    pub(crate) fn new(
        table: impl Into<String>,
        access: impl Into<AwsAccess>,
        location: ServiceLocation,
    ) -> Self {
        Self { table: table.into(), access: access.into(), location, client: OnceCell::new() }
    }

    /// A table in this region, with the SDK's own sources of credentials.
    pub fn in_region(table: impl Into<String>, region: impl Into<String>) -> Self {
        let location = ServiceLocation::in_region(region);
        Self::new(table, AwsAccess::default(), location)
    }

    /// A table with an SDK configuration that the program has loaded.
    pub fn with_sdk_config(table: impl Into<String>, config: aws_config::SdkConfig) -> Self {
        Self::new(table, config, ServiceLocation::default())
    }

    async fn client(&self) -> Result<&DynamoClient, ClaimError> {
        let build = async || {
            let loaded = self.access.load("DynamoDB", self.location.clone()).await;
            let LoadedAccess { config: shared, credentials } =
                loaded.map_err(|error| ClaimError::new(error.to_string()).with_source(error))?;
            let config = Builder::from(&shared).timeout_config(aws::time_limits(aws::CALL));
            Ok(DynamoClient { sdk: Client::from_conf(config.build()), credentials })
        };
        self.client.get_or_try_init(build).await
    }

    /// Sends a write that depends on the item; `Ok(Some)` has the item that did not meet the condition.
    async fn update(&self, key: &str, update: Update) -> Result<Option<Item>, ClaimError> {
        let client = self.client().await?;
        let call = client
            .sdk
            .update_item()
            .table_name(&self.table)
            .key(ID, Value::S(key.to_owned()))
            .update_expression(update.expression)
            .set_condition_expression(update.condition.map(str::to_owned))
            .set_expression_attribute_names(Some(update.names()))
            .set_expression_attribute_values(Some(update.values))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match client.answered(|| call.clone().send()).await? {
            Ok(_) => Ok(None),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
                    Ok(Some(failed.item.clone().unwrap_or_default()))
                }
                _ => Err(self.failure(error)),
            },
        }
    }

    /// Deletes an item that meets the condition; `false` if none does.
    async fn delete(
        &self,
        key: &str,
        condition: &str,
        names: &[(&str, &str)],
        holder: Option<&str>,
    ) -> Result<bool, ClaimError> {
        let values =
            holder.map(|holder| HashMap::from([(":holder".to_owned(), Value::S(holder.to_owned()))]));
        let client = self.client().await?;
        let call = client
            .sdk
            .delete_item()
            .table_name(&self.table)
            .key(ID, Value::S(key.to_owned()))
            .condition_expression(condition)
            .set_expression_attribute_names(Some(owned(names)))
            .set_expression_attribute_values(values);
        match client.answered(|| call.clone().send()).await? {
            Ok(_) => Ok(true),
            Err(error) if error.code() == Some("ConditionalCheckFailedException") => Ok(false),
            Err(error) => Err(self.failure(error)),
        }
    }

    /// The error of a failed call, with its hint.
    fn failure<E>(&self, error: SdkError<E, HttpResponse>) -> ClaimError
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let CallFailure { kind, message, .. } = CallFailure::of(&error);
        let table = &self.table;
        let failed = match kind {
            FailureKind::Answered(code) => {
                let hint = hint(&code).map(|hint| format!(", hint: {hint}")).unwrap_or_default();
                ClaimError::new(format!("table {table} of dynamodb: {code}: {message}{hint}")).with_code(code)
            }
            FailureKind::NoCredentials => ClaimError::new(message),
            FailureKind::TimedOut | FailureKind::NoUsableAnswer => {
                ClaimError::new(format!("table {table} of dynamodb is not reached: {message}"))
            }
        };
        failed.with_source(error)
    }

    async fn claimed(&self, claim: &Claim, lifetime: Duration) -> Result<ClaimAnswer, ClaimError> {
        let now = now();
        let mut update =
            Update::new("SET #holder = :holder, #until = :until, #expires = :expires REMOVE #finished");
        update.condition = Some(IS_FREE);
        update.set_holder(claim).set_end(claim, now, lifetime);
        update.set(":now", millis(now)).set(":seconds", now.as_secs());
        let Some(item) = self.update(&claim.key, update).await? else { return Ok(ClaimAnswer::Granted) };
        if item.contains_key(FINISHED_AT) {
            return Ok(ClaimAnswer::Finished);
        }
        let until = number(&item, CLAIMED_UNTIL).unwrap_or_default();
        Ok(ClaimAnswer::Held { left: Duration::from_millis(until).saturating_sub(now) })
    }

    async fn extended(&self, claim: &Claim, lifetime: Duration) -> Result<bool, ClaimError> {
        let mut update = Update::new("SET #until = :until, #expires = :expires");
        update.condition = Some(IS_HELD);
        update.set_holder(claim).set_end(claim, now(), lifetime);
        Ok(self.update(&claim.key, update).await?.is_none())
    }

    async fn finished(&self, claim: &Claim) -> Result<(), ClaimError> {
        let now = now();
        let mut update =
            Update::new("SET #finished = :now, #expires = :expires, #holder = :holder REMOVE #until");
        update.set_holder(claim).set(":now", millis(now));
        update.set(":expires", (now + claim.keep).as_secs());
        self.update(&claim.key, update).await.map(drop)
    }

    async fn released(&self, claim: &Claim) -> Result<(), ClaimError> {
        let names = [("#holder", HOLDER), ("#finished", FINISHED_AT)];
        self.delete(&claim.key, IS_HELD, &names, Some(&claim.holder)).await.map(drop)
    }
}

/// Checks of a table before a start; nothing is changed.
#[cfg(feature = "cli")]
impl DynamoClaims {
    /// Proves that claims can be written and deleted.
    pub(crate) async fn check_writes(&self) -> Result<(), ClaimError> {
        const KEY: &str = "longshore check";
        let mut update = Update::new("SET #expires = :expires");
        update.condition = Some(NEVER);
        update.set(":expires", now().as_secs());
        self.update(KEY, update).await?;
        self.delete(KEY, NEVER, &[("#id", ID)], None).await.map(drop)
    }

    /// Reads the table's time to live.
    pub(crate) async fn time_to_live(&self) -> Result<TimeToLive, ClaimError> {
        use aws_sdk_dynamodb::types::TimeToLiveStatus as Status;
        let client = self.client().await?;
        let call = client.sdk.describe_time_to_live().table_name(&self.table);
        let answer = client.answered(|| call.clone().send()).await?.map_err(|error| self.failure(error))?;
        let Some(found) = answer.time_to_live_description else { return Ok(TimeToLive::Off) };
        Ok(match (found.time_to_live_status, found.attribute_name) {
            (Some(Status::Enabled | Status::Enabling), Some(name)) if name == EXPIRES_AT => TimeToLive::Fits,
            (Some(Status::Enabled | Status::Enabling), Some(name)) => TimeToLive::Other(name),
            _ => TimeToLive::Off,
        })
    }
}

impl DynamoClient {
    /// Awaits a call within the outer limit, with other credentials if those that were used are refused and there are others.
    async fn answered<T, E, F>(
        &self,
        call: impl Fn() -> F,
    ) -> Result<Result<T, SdkError<E, HttpResponse>>, ClaimError>
    where
        E: ProvideErrorMetadata,
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    {
        let limit = aws::CALL_LIMIT;
        let hung = |_| {
            let limit = humantime::format_duration(limit);
            ClaimError::new(format!("no answer from dynamodb within {limit}"))
        };
        let calling = aws::with_renewal(self.credentials.as_ref(), call);
        tokio::time::timeout(limit, calling).await.map_err(hung)
    }
}

impl ClaimStore for DynamoClaims {
    fn claim<'a>(
        &'a self,
        claim: &'a Claim,
        lifetime: Duration,
    ) -> BoxFuture<'a, Result<ClaimAnswer, ClaimError>> {
        self.claimed(claim, lifetime).boxed()
    }

    fn extend<'a>(&'a self, claim: &'a Claim, lifetime: Duration) -> BoxFuture<'a, Result<bool, ClaimError>> {
        self.extended(claim, lifetime).boxed()
    }

    fn finish<'a>(&'a self, claim: &'a Claim) -> BoxFuture<'a, Result<(), ClaimError>> {
        self.finished(claim).boxed()
    }

    fn release<'a>(&'a self, claim: &'a Claim) -> BoxFuture<'a, Result<(), ClaimError>> {
        self.released(claim).boxed()
    }
}

type Item = HashMap<String, Value>;

/// A write of one item.
struct Update {
    expression: &'static str,
    condition: Option<&'static str>,
    values: Item,
}

impl Update {
    fn new(expression: &'static str) -> Self {
        Self { expression, condition: None, values: Item::new() }
    }

    fn set(&mut self, name: &str, number: u64) -> &mut Self {
        self.values.insert(name.to_owned(), Value::N(number.to_string()));
        self
    }

    fn set_holder(&mut self, claim: &Claim) -> &mut Self {
        self.values.insert(":holder".to_owned(), Value::S(claim.holder.clone()));
        self
    }

    /// Sets the end of the claim; the item of a worker that was killed is removed after `keep`.
    fn set_end(&mut self, claim: &Claim, now: Duration, lifetime: Duration) -> &mut Self {
        let until = now + lifetime;
        self.set(":until", millis(until)).set(":expires", (until + claim.keep).as_secs())
    }

    /// The names that the expressions use; DynamoDB refuses any other.
    fn names(&self) -> HashMap<String, String> {
        const NAMES: [(&str, &str); 5] = [
            ("#id", ID),
            ("#holder", HOLDER),
            ("#until", CLAIMED_UNTIL),
            ("#finished", FINISHED_AT),
            ("#expires", EXPIRES_AT),
        ];
        let is_used = |name: &str| {
            self.expression.contains(name) || self.condition.is_some_and(|condition| condition.contains(name))
        };
        owned(NAMES.iter().filter(|(name, _)| is_used(name)))
    }
}

fn owned<'a>(names: impl IntoIterator<Item = &'a (&'a str, &'a str)>) -> HashMap<String, String> {
    names.into_iter().map(|(name, attribute)| ((*name).to_owned(), (*attribute).to_owned())).collect()
}

fn number(item: &Item, name: &str) -> Option<u64> {
    item.get(name)?.as_n().ok()?.parse().ok()
}

/// The time since 1970; zero if the clock is behind it.
fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The remedy for a refusal that someone must act on.
fn hint(code: &str) -> Option<&'static str> {
    match code {
        "ResourceNotFoundException" => {
            Some("create the table with the partition key id, a string, or correct its name and its region")
        }
        "AccessDeniedException" => {
            Some("grant the task role dynamodb:UpdateItem and dynamodb:DeleteItem on the table")
        }
        "ValidationException" => Some("the table's only key must be the partition key id, a string"),
        _ => None,
    }
}
