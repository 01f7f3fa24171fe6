//! The connections of the ingest API, which answer a head that is too large like every other error.
//!
//! The HTTP server (hyper) takes no URL beyond 64 KiB and no head beyond its buffer. It refuses them before any route is
//! called, with a 414 or 431 without a body, and closes the connection with the rest unread, which makes the client's
//! system drop the response. So the connection replaces the response and reads the rest of the request.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, Bytes};
use longshore_listener::ClientStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{REQUEST_BYTES, error::IngestError};

/// The beginnings of the server's own responses; no route responds with these statuses.
const HEAD_TOO_LARGE: [&[u8]; 2] = [b"HTTP/1.1 414 ", b"HTTP/1.1 431 "];

/// One connection.
pub(super) struct IngestConnection {
    stream: ClientStream,
    refused: Option<RefusedHead>,
}

/// The rest of the work after a head was refused.
struct RefusedHead {
    /// The unwritten part of the response.
    response: Bytes,
    /// The number of bytes of the request that may still be read.
    unread: usize,
}

impl IngestConnection {
    pub(super) fn new(stream: ClientStream) -> Self {
        Self { stream, refused: None }
    }

    /// Writes the rest of the response to a refused head, if there is one.
    fn poll_response(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(RefusedHead { response, .. }) = &mut self.refused else { return Poll::Ready(Ok(())) };
        while response.has_remaining() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(context, response))?;
            response.advance(written);
        }
        Poll::Ready(Ok(()))
    }

    /// Reads the rest of a refused request until the client has read the response and hangs up.
    fn poll_rest(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(RefusedHead { unread, .. }) = &mut self.refused else { return Poll::Ready(Ok(())) };
        let mut space = [0; 16 * 1024];
        while *unread > 0 {
            let mut buffer = ReadBuf::new(&mut space);
            ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer))?;
            let read = buffer.filled().len();
            *unread = if read == 0 { 0 } else { unread.saturating_sub(read) };
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for IngestConnection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for IngestConnection {
    /// Head and body of a response come in one piece, because they are small and not written as vectors.
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if HEAD_TOO_LARGE.iter().any(|beginning| bytes.starts_with(beginning)) {
            self.refused =
                Some(RefusedHead { response: IngestError::head_too_large(), unread: REQUEST_BYTES });
            return Poll::Ready(Ok(bytes.len()));
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_response(context))?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_response(context))?;
        ready!(Pin::new(&mut self.stream).poll_shutdown(context))?;
        self.poll_rest(context)
    }
}
