//! The body of a post that is read from a file while it is sent.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_util::Stream as _;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::fs::File;
use tokio_util::io::ReaderStream;

use super::client::FailedPost;
use crate::{
    handler::{Outcome, Unavailable},
    message::BodyFile,
    shortage::Shortage,
    telemetry::FailureCause,
};

/// The bytes of the file that are in memory at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// Opens the file.
pub(super) fn of(file: &BodyFile) -> Result<reqwest::Body, FailedPost> {
    let opened = std::fs::File::open(file.path()).map_err(|error| unopened(&error))?;
    let chunks = ReaderStream::with_capacity(File::from_std(opened), CHUNK_BYTES);
    Ok(reqwest::Body::wrap(FileBody { chunks, left_bytes: file.bytes() }))
}

fn unopened(error: &io::Error) -> FailedPost {
    let reason = format!("the file of the message's body cannot be opened: {error}");
    let outcome = match Shortage::of(error) {
        Some(shortage) => Unavailable::by(Some(shortage), reason).into(),
        None => Outcome::Retry(reason),
    };
    FailedPost { outcome, cause: FailureCause::Error }
}

/// The rest of a file, whose size is known, so that the post has a `Content-Length`.
struct FileBody {
    chunks: ReaderStream<File>,
    left_bytes: u64,
}

impl HttpBody for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let chunk = ready!(Pin::new(&mut self.chunks).poll_next(context));
        if let Some(Ok(chunk)) = &chunk {
            self.left_bytes = self.left_bytes.saturating_sub(chunk.len() as u64);
        }
        Poll::Ready(chunk.map(|chunk| chunk.map(Frame::data)))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left_bytes)
    }
}
