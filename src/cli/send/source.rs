//! The bodies to send: from an argument, a file or standard input.

use std::{
    fs::File,
    io::{self, BufRead, BufReader},
    path::Path,
};

use crate::cli::failure::{Exit, Failure};

/// The bodies to send, one after the other.
pub(super) enum BodySource {
    /// The one of the command line.
    Once(Option<String>),
    /// One per line, empty lines left out: SQS takes no empty message.
    Lines { name: String, number: usize, lines: io::Lines<Box<dyn BufRead>> },
}

impl BodySource {
    /// Opens what the command line names.
    pub(super) fn open(message: Option<&str>, file: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = file else { return Ok(Self::Once(message.map(str::to_owned))) };
        let reader: Box<dyn BufRead> = if path == Path::new("-") {
            Box::new(BufReader::new(io::stdin()))
        } else {
            Box::new(BufReader::new(File::open(path).map_err(|error| unreadable(path, &error))?))
        };
        Ok(Self::Lines { name: path.display().to_string(), number: 0, lines: reader.lines() })
    }
}

impl Iterator for BodySource {
    type Item = Result<String, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Once(message) => message.take().map(Ok),
            Self::Lines { name, number, lines } => loop {
                let line = lines.next()?;
                *number += 1;
                match line {
                    Ok(line) if line.is_empty() => {}
                    Ok(line) => return Some(Ok(line)),
                    Err(error) => {
                        let message = format!("cannot read {name}, line {number}: {error}");
                        return Some(Err(Failure::new(Exit::Usage, message)));
                    }
                }
            },
        }
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::new(Exit::Usage, format!("cannot read {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &'static [u8]) -> Vec<Result<String, String>> {
        let reader: Box<dyn BufRead> = Box::new(text);
        let source = BodySource::Lines { name: "f".to_owned(), number: 0, lines: reader.lines() };
        source.map(|line| line.map_err(|failure| failure.to_string())).collect()
    }

    #[test]
    fn each_line_is_a_message_and_empty_ones_are_none() {
        assert_eq!(lines(b"a\n\nb c\n"), [Ok("a".to_owned()), Ok("b c".to_owned())]);
    }

    #[test]
    fn a_line_that_is_no_text_is_told_by_number() {
        let read = lines(b"a\n\xff\n");
        assert!(read[1].as_ref().unwrap_err().starts_with("cannot read f, line 2"), "{read:?}");
    }
}
