//! Tasks of the tests.

use tokio::task::JoinHandle;

/// Spawns a task; the name is for the reader.
#[expect(clippy::disallowed_methods, reason = "a test's task ends with the test")]
pub(crate) fn detach<F>(_name: &'static str, future: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    tokio::spawn(future)
}
