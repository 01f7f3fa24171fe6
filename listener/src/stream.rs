//! The stream of a connection and the bodies of its requests and responses, which record its progress.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use hyper::body::{Body, Frame, SizeHint};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::Instant,
};

use crate::connection::ConnectionState;

/// A client's connection.
///
/// Dropped with unwritten bytes, it is reset, so that the system does not keep them for a client that reads nothing.
#[derive(Debug)]
pub struct ClientStream {
    stream: TcpStream,
    state: ConnectionState,
}

impl ClientStream {
    pub(crate) fn new(stream: TcpStream, state: ConnectionState) -> Self {
        Self { stream, state }
    }
}

impl Drop for ClientStream {
    fn drop(&mut self) {
        if self.state.is_writing() {
            // Without it the system closes the connection in its own time.
            self.stream.set_zero_linger().unwrap_or_default();
        }
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        if buffer.filled().len() > before {
            self.state.received(Instant::now());
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.state.writing(Instant::now());
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.state.writing(Instant::now());
        Pin::new(&mut self.stream).poll_write_vectored(context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// Hyper flushes once it has written all it has.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(context))?;
        self.state.written(Instant::now());
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// A body that records its end: that it was read, if it is a request's, or handed over, if it is a response's.
pub(crate) struct RecordedBody<B> {
    body: B,
    state: ConnectionState,
    ended: fn(&ConnectionState, Instant),
}

impl<B> RecordedBody<B> {
    /// The body of a request.
    pub(crate) fn of_request(body: B, state: ConnectionState) -> Self {
        Self { body, state, ended: ConnectionState::body_ended }
    }

    /// The body of a response.
    pub(crate) fn of_response(body: B, state: ConnectionState) -> Self {
        Self { body, state, ended: ConnectionState::response_handed }
    }
}

impl<B> Drop for RecordedBody<B> {
    fn drop(&mut self) {
        (self.ended)(&self.state, Instant::now());
    }
}

impl<B: Body + Unpin> Body for RecordedBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
