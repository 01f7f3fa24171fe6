//! The connections of the front door, on which a head too large for the server is refused like all else.
//!
//! The server (hyper) takes no URL beyond 64 KiB and no head beyond its buffer. It refuses them by itself, with a
//! 414 or 431 that has no body, before any route is asked; and it closes the connection with the rest unread,
//! which makes the client's system drop the answer. So the answer is replaced on its way out, and the rest is read.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll, ready},
};
use axum::serve::Listener;
use bytes::{Buf as _, Bytes};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
};
use super::{REQUEST_BYTES, Refusal};

/// How the server's own refusals begin; no route answers with these statuses.
const TOO_LARGE: [&[u8]; 2] = [b"HTTP/1.1 414 ", b"HTTP/1.1 431 "];

/// Accepts the connections of the front door.
pub(super) struct Connections(pub(super) TcpListener);

impl Listener for Connections {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        let (stream, address) = Listener::accept(&mut self.0).await;
        (Connection { stream, refused: None }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// One connection.
pub(super) struct Connection {
    stream: TcpStream,
    refused: Option<Refused>,
}

/// What is left to do once a head was refused.
struct Refused {
    /// The rest of the answer.
    answer: Bytes,
    /// How much more of the request is read.
    patience: usize,
}

impl Connection {
    /// Writes the rest of the answer to a refused head, if there is one.
    fn poll_answer(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(Refused { answer, .. }) = &mut self.refused else { return Poll::Ready(Ok(())) };
        while answer.has_remaining() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(context, answer))?;
            answer.advance(written);
        }
        Poll::Ready(Ok(()))
    }

    /// Reads the rest of a refused request, until the client has read the answer and hangs up.
    fn poll_rest(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(Refused { patience, .. }) = &mut self.refused else { return Poll::Ready(Ok(())) };
        let mut space = [0; 16 * 1024];
        while *patience > 0 {
            let mut buffer = ReadBuf::new(&mut space);
            ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer))?;
            let read = buffer.filled().len();
            *patience = if read == 0 { 0 } else { patience.saturating_sub(read) };
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    /// The head and the body of an answer come in one piece: they are small, and not written as vectors.
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if TOO_LARGE.iter().any(|beginning| bytes.starts_with(beginning)) {
            self.refused = Some(Refused { answer: Refusal::head_too_large(), patience: REQUEST_BYTES });
            return Poll::Ready(Ok(bytes.len()));
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_answer(context))?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_answer(context))?;
        ready!(Pin::new(&mut self.stream).poll_shutdown(context))?;
        self.poll_rest(context)
    }
}
