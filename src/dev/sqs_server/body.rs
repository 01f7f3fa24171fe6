//! Reads a request's body, up to the most that SQS can be asked.

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;

use super::refusal::Refusal;

/// The largest body that is read. A batch of 1 MiB takes up to six times as much when a client escapes every
/// character (`\u00e9` for two bytes), and its receipts and ids come on top.
const LIMIT: usize = 8 * 1024 * 1024;
/// How much of a body that is too large is read to its end, because a client that is still writing would see
/// a broken connection instead of the answer.
const PATIENCE: usize = 64 * 1024 * 1024;

/// Reads the whole body.
pub(super) async fn read(body: Body) -> Result<Bytes, Refusal> {
    let mut stream = body.into_data_stream();
    let mut whole = BytesMut::new();
    let mut seen = 0;
    while let Some(piece) = stream.next().await {
        let piece = piece.map_err(|error| Refusal::Malformed(format!("the body broke off: {error}")))?;
        seen += piece.len();
        if seen > PATIENCE {
            break;
        }
        if seen <= LIMIT {
            whole.extend_from_slice(&piece);
        }
    }
    if seen > LIMIT { Err(Refusal::TooLarge { limit: LIMIT }) } else { Ok(whole.freeze()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_is_read_up_to_the_limit_and_refused_beyond() {
        let whole = read(Body::from(vec![b'x'; LIMIT])).await;
        assert_eq!(whole.map(|body| body.len()), Ok(LIMIT));
        let refused = read(Body::from(vec![b'x'; LIMIT + 1])).await;
        assert_eq!(refused, Err(Refusal::TooLarge { limit: LIMIT }));
    }
}
