//! The source of messages: the one body of the command line, or the lines of a file or of standard input, in batches.

use std::{
    fmt::Display,
    fs::File,
    io::{self, BufRead, BufReader},
    iter::Peekable,
    path::Path,
    thread,
};

use futures_util::{
    Stream, StreamExt as _,
    stream::{self, BoxStream},
};
use tokio::sync::mpsc;

use crate::{
    cli::output::{Exit, Failure},
    message::OutgoingMessage,
    queue::limits,
};

/// The lines that are read ahead of standard input.
const READ_AHEAD: usize = 1_000;

/// The bodies that the command line names, empty lines left out: SQS accepts no empty message.
pub(super) fn bodies(
    message: Option<&str>,
    file: Option<&Path>,
) -> Result<BoxStream<'static, Result<String, Failure>>, Failure> {
    match file {
        None => Ok(stream::iter(message.map(|body| Ok(body.to_owned()))).boxed()),
        Some(path) if path == Path::new("-") => Ok(piped()?.boxed()),
        Some(path) => {
            let file = File::open(path).map_err(|error| unreadable(&path.display(), &error))?;
            Ok(stream::iter(lines(path.display().to_string(), BufReader::new(file))).boxed())
        }
    }
}

/// The lines of standard input as they come: a pipe may bring one an hour.
fn piped() -> Result<impl Stream<Item = Result<String, Failure>>, Failure> {
    let (sender, mut read) = mpsc::channel(READ_AHEAD);
    let read_all = move || {
        for line in lines("standard input".to_owned(), io::stdin().lock()) {
            // Fails once nothing more is sent.
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    };
    let started = thread::Builder::new().name("lines".to_owned()).spawn(read_all);
    started.map_err(|error| unreadable(&"standard input", &error))?;
    Ok(stream::poll_fn(move |context| read.poll_recv(context)))
}

fn lines(name: String, reader: impl BufRead) -> impl Iterator<Item = Result<String, Failure>> {
    reader.lines().zip(1..).filter_map(move |(line, number)| match line {
        Ok(line) if line.is_empty() => None,
        Ok(line) => Some(Ok(line)),
        Err(error) => Some(Err(unreadable(&format_args!("{name}, line {number}"), &error))),
    })
}

fn unreadable(name: &dyn Display, error: &io::Error) -> Failure {
    Failure::new(Exit::Usage, format!("cannot read {name}: {error}"))
}

/// The messages in batches of what is there; no batch waits for a message that is yet to be read.
pub(super) fn batches<E>(
    messages: impl Stream<Item = Result<OutgoingMessage, E>> + Unpin,
) -> impl Stream<Item = Result<Vec<OutgoingMessage>, E>> + Unpin {
    let chunks = messages.ready_chunks(limits::BATCH_ENTRIES);
    chunks.flat_map(|chunk| stream::iter(Batches { messages: chunk.into_iter().peekable() }))
}

/// The batches of messages, each within the size of a request.
struct Batches<I: Iterator> {
    messages: Peekable<I>,
}

impl<I: Iterator<Item = Result<OutgoingMessage, E>>, E> Iterator for Batches<I> {
    type Item = Result<Vec<OutgoingMessage>, E>;

    fn next(&mut self) -> Option<Self::Item> {
        let first = match self.messages.next()? {
            Ok(message) => message,
            Err(error) => return Some(Err(error)),
        };
        let mut batch_bytes = first.size_bytes();
        let mut batch = vec![first];
        while batch.len() < limits::BATCH_ENTRIES {
            let fits = |next: &Result<OutgoingMessage, E>| {
                next.as_ref().is_ok_and(|message| batch_bytes + message.size_bytes() <= limits::MESSAGE_BYTES)
            };
            let Some(Ok(message)) = self.messages.next_if(fits) else { break };
            batch_bytes += message.size_bytes();
            batch.push(message);
        }
        Some(Ok(batch))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use proptest::prelude::*;

    use super::*;

    /// The batches that are there at once.
    fn ready<E>(messages: Vec<Result<OutgoingMessage, E>>) -> Vec<Result<Vec<OutgoingMessage>, E>> {
        batches(stream::iter(messages)).collect().now_or_never().unwrap()
    }

    fn sizes(bodies: &[usize]) -> Vec<Vec<usize>> {
        let messages = bodies.iter().map(|bytes| Ok::<_, ()>(OutgoingMessage::new("x".repeat(*bytes))));
        let sizes = |batch: Vec<OutgoingMessage>| batch.iter().map(|message| message.body.len()).collect();
        ready(messages.collect()).into_iter().map(|batch| sizes(batch.unwrap())).collect()
    }

    #[test]
    fn a_message_that_fills_a_request_goes_alone() {
        let whole = limits::MESSAGE_BYTES;
        assert_eq!(sizes(&[1, whole, 1, 1]), [vec![1], vec![whole], vec![1, 1]]);
    }

    #[test]
    fn what_was_read_before_a_failure_is_still_sent() {
        let messages = vec![Ok(OutgoingMessage::new("a")), Err("unreadable"), Ok(OutgoingMessage::new("b"))];
        let lengths: Vec<_> =
            ready(messages).into_iter().map(|batch| batch.map(|batch| batch.len())).collect();
        assert_eq!(lengths, [Ok(1), Err("unreadable"), Ok(1)]);
    }

    proptest! {
        #[test]
        fn batches_hold_everything_in_order_within_the_limits(bodies in prop::collection::vec(1usize..300_000, 0..60)) {
            let batches = sizes(&bodies);
            prop_assert_eq!(batches.concat(), bodies);
            for batch in batches {
                prop_assert!(!batch.is_empty() && batch.len() <= limits::BATCH_ENTRIES);
                prop_assert!(batch.iter().sum::<usize>() <= limits::MESSAGE_BYTES);
            }
        }
    }

    fn read(text: &'static [u8]) -> Vec<Result<String, String>> {
        lines("f".to_owned(), text).map(|line| line.map_err(|failure| failure.to_string())).collect()
    }

    #[test]
    fn each_line_is_a_message_and_empty_lines_are_left_out() {
        assert_eq!(read(b"a\n\nb c\n"), [Ok("a".to_owned()), Ok("b c".to_owned())]);
    }

    #[test]
    fn a_line_that_is_not_utf8_is_reported_by_number() {
        let read = read(b"a\n\xff\n");
        assert!(read[1].as_ref().unwrap_err().starts_with("cannot read f, line 2"), "{read:?}");
    }

    #[tokio::test]
    async fn a_message_does_not_wait_for_the_next_to_be_read() {
        let (sender, mut read) = mpsc::unbounded_channel();
        let mut batches = batches(stream::poll_fn(move |context| read.poll_recv(context)));
        for number in 0..3 {
            sender.send(Ok::<_, ()>(OutgoingMessage::new(number.to_string()))).unwrap();
            let batch = batches.next().await.unwrap().unwrap();
            assert_eq!(batch.iter().map(|message| &*message.body).collect::<Vec<_>>(), [number.to_string()]);
        }
    }
}
