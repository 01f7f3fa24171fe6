//! The user agent of the calls to SQS.

use aws_config::SdkConfig;
use aws_runtime::user_agent::UserAgentInterceptor;
use aws_sdk_sqs::config::{
    Builder, ConfigBag, Intercept, RuntimeComponents, SharedInterceptor,
    interceptors::{BeforeSerializationInterceptorContextRef, BeforeTransmitInterceptorContextMut},
};
use aws_smithy_runtime_api::{box_error::BoxError, client::interceptors::disable_interceptor};

const USER_AGENT: &str =
    concat!("longshore/", env!("CARGO_PKG_VERSION"), " aws-sdk-rust/1 api/sqs lang/rust");

/// Sends one short user agent in place of the SDK's two, which it builds and signs anew for each call.
///
/// That takes a twentieth of the instructions of a call. A program that has named itself to AWS (`AppName`) keeps the SDK's.
pub(crate) fn with_user_agent(mut builder: Builder, shared: &SdkConfig) -> Builder {
    if shared.app_name().is_none() {
        builder.push_interceptor(SharedInterceptor::permanent(FixedUserAgent));
    }
    builder
}

/// Sends the user agent, in place of the SDK's own interceptor.
#[derive(Debug)]
pub(crate) struct FixedUserAgent;

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

    // After the signature, which would leave the header out only once it had prepared it.
    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        context.request_mut().headers_mut().insert("user-agent", USER_AGENT);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use aws_config::{AppName, BehaviorVersion, Region};
    use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
    use aws_sdk_sqs::Client;
    use tokio::{io::AsyncReadExt as _, net::TcpListener};

    use super::{super::Network, *};

    /// The head of a request by a client of this configuration.
    async fn request(config: &SdkConfig) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let builder =
            Builder::from(config).endpoint_url(format!("http://{}", listener.local_addr().unwrap()));
        let client = Client::from_conf(with_user_agent(builder, config).build());
        let read = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4_096];
            let length = stream.read(&mut request).await.unwrap();
            String::from_utf8_lossy(&request[..length]).to_lowercase()
        };
        tokio::select! {
            request = read => request,
            _ = client.list_queues().send() => unreachable!("the server never answers"),
        }
    }

    #[tokio::test]
    async fn a_call_names_longshore_and_not_the_sdk_unless_the_program_has_a_name() {
        let config = || {
            let credentials = Credentials::new("id", "secret", None, None, "test");
            SdkConfig::builder()
                .behavior_version(BehaviorVersion::latest())
                .http_client(Network::of_process().unwrap().http_client())
                .region(Region::from_static("eu-west-1"))
                .credentials_provider(SharedCredentialsProvider::new(credentials))
        };
        let own = request(&config().build()).await;
        assert!(own.contains("user-agent: longshore/") && !own.contains("x-amz-user-agent"), "{own}");
        let named = request(&config().app_name(AppName::new("billing").unwrap()).build()).await;
        assert!(named.contains("app/billing") && !named.contains("longshore/"), "{named}");
    }
}
