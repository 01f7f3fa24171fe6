//! Repeats a call whose credentials AWS has refused, once there are others.

use std::future::Future;

use aws_sdk_sqs::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
};

use super::{RenewableCredentials, refuses_credentials};

/// Calls AWS, and once more with other credentials if it refuses those that were used and there are others by then.
pub(crate) async fn with_renewal<T, E, F>(
    credentials: Option<&RenewableCredentials>,
    call: impl Fn() -> F,
) -> Result<T, SdkError<E, HttpResponse>>
where
    E: ProvideErrorMetadata,
    F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
{
    let used = credentials.map(|credentials| (credentials, credentials.generation()));
    // Boxed, because the SDK's futures are large.
    let error = match Box::pin(call()).await {
        Err(error) if error.code().is_some_and(refuses_credentials) => error,
        answer => return answer,
    };
    match used {
        Some((credentials, used)) if credentials.are_renewed(used).await => Box::pin(call()).await,
        _ => Err(error),
    }
}
