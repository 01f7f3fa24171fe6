//! The user agent of the calls to SQS.

use aws_runtime::user_agent::UserAgentInterceptor;
use aws_sdk_sqs::config::{
    ConfigBag, Intercept, RuntimeComponents,
    interceptors::{BeforeSerializationInterceptorContextRef, BeforeTransmitInterceptorContextMut},
};
use aws_smithy_runtime_api::{box_error::BoxError, client::interceptors::disable_interceptor};

/// Sends one short user agent in place of the SDK's two, which it builds and signs anew for each call.
///
/// That takes a twentieth of the instructions of a call. A program that has named itself to AWS (`AppName`) keeps the SDK's.
#[derive(Debug)]
pub(crate) struct FixedUserAgent;

const USER_AGENT: &str =
    concat!("longshore/", env!("CARGO_PKG_VERSION"), " aws-sdk-rust/1 api/sqs lang/rust");

impl Intercept for FixedUserAgent {
    fn name(&self) -> &'static str {
        "FixedUserAgent"
    }

    fn read_before_execution(
        &self,
        _context: &BeforeSerializationInterceptorContextRef<'_>,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let disabled = disable_interceptor::<UserAgentInterceptor>("the user agent is fixed");
        config.interceptor_state().store_put(disabled);
        Ok(())
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        context.request_mut().headers_mut().insert("user-agent", USER_AGENT);
        Ok(())
    }
}
