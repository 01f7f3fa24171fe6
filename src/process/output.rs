//! Reads a program's output, line by line, in bounded memory.

use std::{borrow::Cow, fmt, io};

use rustix::fd::{AsFd, BorrowedFd};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    process::{ChildStderr, ChildStdout},
};
use tokio_util::sync::CancellationToken;

/// The longest line that is passed on whole.
pub(crate) const LINE_BYTES: usize = 8 * 1024;
/// The bytes of one read.
const CHUNK_BYTES: usize = 16 * 1024;
/// The most bytes in the pipe of a program that has ended: Linux's largest pipe without privileges.
const PIPE_BYTES: usize = 1024 * 1024;

/// The reading end of a program's standard output or error.
#[derive(Debug)]
pub(crate) struct Output {
    pipe: Pipe,
    ended: CancellationToken,
}

#[derive(Debug)]
enum Pipe {
    Stdout(ChildStdout),
    Stderr(ChildStderr),
}

impl Pipe {
    async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Stdout(pipe) => read(pipe, buffer).await,
            Self::Stderr(pipe) => read(pipe, buffer).await,
        }
    }

    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Stdout(pipe) => pipe.as_fd(),
            Self::Stderr(pipe) => pipe.as_fd(),
        }
    }
}

async fn read(pipe: &mut (impl AsyncRead + Unpin), buffer: &mut [u8]) -> io::Result<usize> {
    pipe.read(buffer).await
}

impl Output {
    /// The standard output; `ended` fires when the program has ended and been reaped.
    pub(super) fn of_stdout(pipe: ChildStdout, ended: CancellationToken) -> Self {
        Self { pipe: Pipe::Stdout(pipe), ended }
    }

    /// The standard error; likewise.
    pub(super) fn of_stderr(pipe: ChildStderr, ended: CancellationToken) -> Self {
        Self { pipe: Pipe::Stderr(pipe), ended }
    }

    /// Passes on every line until the program has ended, without letting the pipe fill up.
    ///
    /// Ends when all writers have closed the pipe, or when the [`Process`](super::Process) has been waited for or
    /// dropped. By then everything that the program wrote before its end has been passed on; output of a process that
    /// left its group and writes later is ignored. `on_line` must not block.
    pub(crate) async fn for_each_line(mut self, mut on_line: impl FnMut(OutputLine<'_>) + Send) {
        let mut lines = Lines::default();
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            tokio::select! {
                biased;
                read = self.pipe.read(&mut chunk) => match read {
                    Ok(0) | Err(_) => break,
                    Ok(read) => lines.push(&chunk[..read], &mut on_line),
                },
                () = self.ended.cancelled() => {
                    self.read_remaining(&mut chunk, |left| lines.push(left, &mut on_line));
                    break;
                }
            }
        }
        lines.end(&mut on_line);
    }

    /// Reads the bytes that are in the pipe already, which the runtime may not have seen yet.
    fn read_remaining(&self, chunk: &mut [u8], mut take: impl FnMut(&[u8])) {
        let mut left = PIPE_BYTES;
        while left > 0 {
            match rustix::io::read(self.pipe.as_fd(), &mut *chunk) {
                Ok(0) => return,
                Ok(read) => {
                    take(&chunk[..read]);
                    left = left.saturating_sub(read);
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return,
            }
        }
    }
}

/// One line of a program's output, without its line break.
///
/// `Display` ends in a note if it was cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OutputLine<'a> {
    /// The text, at most [`LINE_BYTES`] of what the program wrote; invalid UTF-8 is replaced.
    pub text: Cow<'a, str>,
    /// The number of bytes that were cut off.
    pub cut_bytes: u64,
}

impl fmt::Display for OutputLine<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)?;
        if self.cut_bytes > 0 {
            write!(formatter, "… ({} bytes cut)", self.cut_bytes)?;
        }
        Ok(())
    }
}

/// Splits chunks into lines, and keeps the unfinished last line.
#[derive(Debug, Default)]
struct Lines {
    partial: Vec<u8>,
    cut_bytes: u64,
}

impl Lines {
    fn push(&mut self, chunk: &[u8], on_line: &mut impl FnMut(OutputLine<'_>)) {
        for piece in chunk.split_inclusive(|byte| *byte == b'\n') {
            let (piece, is_whole) = piece.strip_suffix(b"\n").map_or((piece, false), |line| (line, true));
            let kept = piece.len().min(LINE_BYTES - self.partial.len());
            self.partial.extend_from_slice(&piece[..kept]);
            self.cut_bytes += (piece.len() - kept) as u64;
            if is_whole {
                self.pass_on(on_line);
            }
        }
    }

    /// Passes on a last line without a line break.
    fn end(&mut self, on_line: &mut impl FnMut(OutputLine<'_>)) {
        if !self.partial.is_empty() {
            self.pass_on(on_line);
        }
    }

    fn pass_on(&mut self, on_line: &mut impl FnMut(OutputLine<'_>)) {
        let cut_bytes = std::mem::take(&mut self.cut_bytes);
        let kept = if cut_bytes == 0 { self.partial.as_slice() } else { whole_characters(&self.partial) };
        let cut_bytes = cut_bytes + (self.partial.len() - kept.len()) as u64;
        let line = kept.strip_suffix(b"\r").filter(|_| cut_bytes == 0).unwrap_or(kept);
        on_line(OutputLine { text: String::from_utf8_lossy(line), cut_bytes });
        self.partial.clear();
    }
}

/// The bytes without an incomplete character at the end.
fn whole_characters(bytes: &[u8]) -> &[u8] {
    let incomplete = bytes.utf8_chunks().last().map_or(&[][..], |chunk| chunk.invalid());
    // The beginning of a character, and not invalid bytes.
    let is_incomplete = std::str::from_utf8(incomplete).is_err_and(|error| error.error_len().is_none());
    if is_incomplete { &bytes[..bytes.len() - incomplete.len()] } else { bytes }
}

#[cfg(all(any(test, fuzzing), feature = "cli"))]
#[path = "../../tests/fuzz/output.rs"]
pub(crate) mod fuzz;

/// A text without its numbers: a process id, a time or an address differs between lines and ends that are alike.
#[cfg(feature = "lambda")]
pub(crate) fn likeness(text: &str) -> String {
    let mut alike = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '0'..='9' if alike.ends_with('#') => {}
            '0'..='9' => alike.push('#'),
            other => alike.push(other),
        }
    }
    alike
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines_of(chunks: &[&[u8]]) -> Vec<String> {
        let mut shown = Vec::new();
        let mut lines = Lines::default();
        let mut on_line = |line: OutputLine<'_>| shown.push(line.to_string());
        for chunk in chunks {
            lines.push(chunk, &mut on_line);
        }
        lines.end(&mut on_line);
        shown
    }

    #[test]
    fn lines_are_assembled_from_chunks() {
        assert_eq!(lines_of(&[b"on", b"e\ntw", b"o\r\n\nthree"]), ["one", "two", "", "three"]);
        assert_eq!(lines_of(&[b"", b"\n"]), [""]);
        assert_eq!(lines_of(&[]), Vec::<String>::new());
    }

    #[test]
    fn a_line_that_is_too_long_is_cut_with_a_note() {
        let long = "x".repeat(LINE_BYTES + 5);
        let shown = lines_of(&[long.as_bytes(), b"yy\nshort\n"]);
        assert_eq!(shown, [format!("{}… (7 bytes cut)", "x".repeat(LINE_BYTES)), "short".to_owned()]);
        let whole = "x".repeat(LINE_BYTES);
        assert_eq!(lines_of(&[whole.as_bytes(), b"\n"]), [whole]);
    }

    #[test]
    fn a_line_is_cut_between_characters() {
        let long = format!("{}🚢🚢", "x".repeat(LINE_BYTES - 2));
        assert_eq!(lines_of(&[long.as_bytes()]), [format!("{}… (8 bytes cut)", "x".repeat(LINE_BYTES - 2))]);
    }

    #[test]
    fn invalid_utf_8_is_replaced() {
        assert_eq!(lines_of(&[b"a\xffb\n", "🚢".as_bytes()]), ["a\u{fffd}b", "🚢"]);
    }

    proptest! {
        #[test]
        fn lines_do_not_depend_on_the_chunks(
            text in proptest::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..200),
            at in 0usize..200,
        ) {
            let (left, right) = text.split_at(at.min(text.len()));
            prop_assert_eq!(lines_of(&[left, right]), lines_of(&[&text]));
        }
    }
}
