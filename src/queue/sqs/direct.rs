//! The frequent calls to SQS, by the SDK's orchestrator with only those of the SDK's parts that they need.
//!
//! The SDK's client merges a dozen parts anew for each call, most of which measure, number and announce it for nobody. They
//! take a tenth of the instructions of a message.

use std::fmt::Debug;

use aws_config::SdkConfig;
use aws_runtime::{
    auth::sigv4, service_clock_skew::DisableClockSkewCorrection,
    service_clock_skew::ServiceClockSkewInterceptor,
};
use aws_sdk_sqs::{
    config::{
        FrozenLayer, Layer, RuntimeComponentsBuilder, RuntimePlugin, SharedInterceptor,
        StalledStreamProtectionConfig,
        auth::{DefaultAuthSchemeResolver, ResolveAuthScheme as _},
        endpoint::{DefaultResolver, ResolveEndpoint as _},
        http::HttpResponse,
        retry::RetryConfig,
    },
    error::SdkError,
    operation::{
        change_message_visibility_batch::{
            ChangeMessageVisibilityBatch, ChangeMessageVisibilityBatchError,
            ChangeMessageVisibilityBatchInput, ChangeMessageVisibilityBatchOutput,
        },
        delete_message_batch::{
            DeleteMessageBatch, DeleteMessageBatchError, DeleteMessageBatchInput, DeleteMessageBatchOutput,
        },
        receive_message::{ReceiveMessage, ReceiveMessageError, ReceiveMessageInput, ReceiveMessageOutput},
    },
};
use aws_smithy_runtime::client::{
    http::connection_poisoning::ConnectionPoisoningInterceptor,
    orchestrator::invoke,
    retries::{classifiers::HttpStatusCodeClassifier, strategy::NeverRetryStrategy},
};
use aws_smithy_runtime_api::client::{
    interceptors::context::Input,
    runtime_plugin::{RuntimePlugins, StaticRuntimePlugin},
};
use aws_types::{
    SigningName,
    endpoint_config::{EndpointUrl, UseDualStack, UseFips},
    region::SigningRegion,
};

use crate::aws::{self, FixedUserAgent, LoadedAccess};

/// The frequent calls, each with the parts that it needs.
#[derive(Clone, Debug)]
pub(super) struct DirectCalls {
    receive: RuntimePlugins,
    delete: RuntimePlugins,
    change_visibility: RuntimePlugins,
}

type Answer<T, E> = Result<T, SdkError<E, HttpResponse>>;

impl DirectCalls {
    /// Returns `None` if the configuration lacks a part, or has a name for the user agent, which only the client sends.
    pub(super) fn new(access: &LoadedAccess) -> Option<Self> {
        if access.config.app_name().is_some() {
            return None;
        }
        let shared = StaticRuntimePlugin::new()
            .with_config(settings(access)?)
            .with_runtime_components(components(&access.config)?);
        let plugins = RuntimePlugins::new().with_client_plugin(shared);
        Some(Self {
            receive: plugins.clone().with_operation_plugin(merged(&ReceiveMessage::new())),
            delete: plugins.clone().with_operation_plugin(merged(&DeleteMessageBatch::new())),
            change_visibility: plugins.with_operation_plugin(merged(&ChangeMessageVisibilityBatch::new())),
        })
    }

    pub(super) async fn receive(
        &self,
        input: ReceiveMessageInput,
    ) -> Answer<ReceiveMessageOutput, ReceiveMessageError> {
        call("ReceiveMessage", input, &self.receive).await
    }

    pub(super) async fn delete(
        &self,
        input: DeleteMessageBatchInput,
    ) -> Answer<DeleteMessageBatchOutput, DeleteMessageBatchError> {
        call("DeleteMessageBatch", input, &self.delete).await
    }

    pub(super) async fn change_visibility(
        &self,
        input: ChangeMessageVisibilityBatchInput,
    ) -> Answer<ChangeMessageVisibilityBatchOutput, ChangeMessageVisibilityBatchError> {
        call("ChangeMessageVisibilityBatch", input, &self.change_visibility).await
    }
}

/// Runs an operation, whose output and error the SDK erases.
#[expect(clippy::expect_used, reason = "an operation's own plugin makes no other types")]
async fn call<I, O, E>(operation: &'static str, input: I, plugins: &RuntimePlugins) -> Answer<O, E>
where
    I: Debug + Send + Sync + 'static,
    O: Debug + Send + Sync + 'static,
    E: std::error::Error + Send + Sync + 'static,
{
    let answer = invoke("SQS", operation, Input::erase(input), plugins).await;
    let output = answer.map_err(|error| {
        error.map_service_error(|error| error.downcast().expect("the error of the operation"))
    })?;
    Ok(output.downcast().expect("the output of the operation"))
}

/// The settings of the SDK's configuration that the calls load.
fn settings(access: &LoadedAccess) -> Option<FrozenLayer> {
    let config = &access.config;
    let region = config.region()?.clone();
    let mut layer = Layer::new("longshore");
    layer.store_put(SigningName::from_static("sqs"));
    layer.store_put(SigningRegion::from(region.clone()));
    layer.store_put(region);
    layer.store_or_unset(access.endpoint("SQS").map(EndpointUrl));
    layer.store_or_unset(config.use_fips().map(UseFips));
    layer.store_or_unset(config.use_dual_stack().map(UseDualStack));
    layer.store_put(aws::connect_limit());
    layer.store_put(RetryConfig::disabled());
    layer.store_put(StalledStreamProtectionConfig::disabled());
    layer.store_or_unset(config.disable_clock_skew_correction().map(DisableClockSkewCorrection::from));
    Some(layer.freeze())
}

fn components(config: &SdkConfig) -> Option<RuntimeComponentsBuilder> {
    let components = RuntimeComponentsBuilder::new("longshore")
        .with_http_client(Some(config.http_client()?))
        .with_identity_cache(Some(config.identity_cache()?))
        .with_identity_resolver(sigv4::SCHEME_ID, config.credentials_provider()?)
        .with_auth_scheme(sigv4::SigV4AuthScheme::new())
        .with_auth_scheme_option_resolver(Some(DefaultAuthSchemeResolver::default().into_shared_resolver()))
        .with_endpoint_resolver(Some(DefaultResolver::new().into_shared_resolver()))
        .with_sleep_impl(config.sleep_impl())
        .with_time_source(Some(config.time_source().unwrap_or_default()))
        .with_retry_strategy(Some(NeverRetryStrategy::new()))
        // A connection that failed is not used again.
        .with_retry_classifier(HttpStatusCodeClassifier::default())
        .with_interceptor(SharedInterceptor::permanent(ConnectionPoisoningInterceptor::new()))
        .with_interceptor(SharedInterceptor::permanent(ServiceClockSkewInterceptor::new()))
        .with_interceptor(SharedInterceptor::permanent(FixedUserAgent));
    Some(components)
}

/// An operation's parts, which it would make anew for each call.
fn merged(operation: &impl RuntimePlugin) -> StaticRuntimePlugin {
    let components = operation.runtime_components(&RuntimeComponentsBuilder::new("longshore")).into_owned();
    let plugin = StaticRuntimePlugin::new().with_runtime_components(components);
    match operation.config() {
        Some(config) => plugin.with_config(config),
        None => plugin,
    }
}
