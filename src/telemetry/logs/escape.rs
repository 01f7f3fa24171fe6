//! Escapes characters in lines that would act on a terminal or reorder the text.

use std::{
    borrow::Cow,
    io::{self, Write},
};

use tracing_subscriber::fmt::MakeWriter;

/// The form of lines, which decides how a character is escaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LineForm {
    /// As in Rust: `\u{202e}`.
    Text,
    /// The same, and the colours of the lines themselves are kept.
    ColouredText,
    /// As in JSON, where such a character can only be in a string: `\u202e`.
    Json,
}

/// Makes writers that escape what is written to those of `inner`, which must be whole lines.
#[derive(Clone, Copy, Debug)]
pub(super) struct EscapedLines<M> {
    pub(super) form: LineForm,
    pub(super) inner: M,
}

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for EscapedLines<M> {
    type Writer = LineEscaper<M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        LineEscaper { form: self.form, inner: self.inner.make_writer() }
    }
}

/// Escapes the lines that are written to it.
#[derive(Debug)]
pub(super) struct LineEscaper<W> {
    form: LineForm,
    inner: W,
}

impl<W: Write> Write for LineEscaper<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes).map(|()| bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match std::str::from_utf8(bytes) {
            Ok(lines) => self.inner.write_all(escaped(lines, self.form).as_bytes()),
            Err(_) => self.inner.write_all(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// A text in one line, with the characters escaped that would act on a terminal or reorder the text.
pub(crate) fn one_line(text: &str) -> Cow<'_, str> {
    match escaped(text, LineForm::Text) {
        line if line.contains(['\n', '\t']) => line.replace('\n', "\\n").replace('\t', "\\t").into(),
        line => line,
    }
}

/// Lines without characters that would act on a terminal or reorder the text.
pub(crate) fn escaped(lines: &str, form: LineForm) -> Cow<'_, str> {
    if !lines.contains(is_escaped) {
        return lines.into();
    }
    let mut escaped = String::with_capacity(lines.len() + 16);
    for (at, character) in lines.char_indices() {
        if !is_escaped(character) || (form == LineForm::ColouredText && is_colour(&lines[at..])) {
            escaped.push(character);
        } else if form == LineForm::Json {
            let code = u32::from(character);
            // All of them are in the first plane.
            let digit = |shift: u32| char::from_digit((code >> shift) & 15, 16).unwrap_or('0');
            escaped.push_str("\\u");
            escaped.extend([12_u32, 8, 4, 0].map(digit));
        } else {
            escaped.extend(character.escape_unicode());
        }
    }
    escaped.into()
}

fn is_escaped(character: char) -> bool {
    (character.is_control() && !matches!(character, '\n' | '\t')) || is_directional(character)
}

/// The styles of lines: none, bold, dimmed, italic, and the colours of levels. None of them hides text.
const STYLES: [&str; 9] = ["0", "1", "2", "3", "31", "32", "33", "34", "35"];

/// True if the text begins with a sequence that only sets such styles.
fn is_colour(text: &str) -> bool {
    let sequence = text.strip_prefix("\u{1b}[").and_then(|rest| rest.split_once('m'));
    sequence.is_some_and(|(styles, _)| styles.split(';').all(|style| STYLES.contains(&style)))
}

/// True for the characters that change the direction of the text after them, and line and paragraph separators.
fn is_directional(character: char) -> bool {
    matches!(character,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn controls_and_directional_characters_are_escaped_and_the_rest_is_kept() {
        for (line, text, json) in [
            ("C1 \u{9b}31m", r"C1 \u{9b}31m", r"C1 \u009b31m"),
            ("DEL \u{7f}", r"DEL \u{7f}", r"DEL \u007f"),
            ("bidi \u{202e}txt.exe\u{2069}", r"bidi \u{202e}txt.exe\u{2069}", r"bidi \u202etxt.exe\u2069"),
            ("return \r", r"return \u{d}", r"return \u000d"),
            ("ünd\t🚢\n", "ünd\t🚢\n", "ünd\t🚢\n"),
        ] {
            assert_eq!(escaped(line, LineForm::Text), text);
            assert_eq!(escaped(line, LineForm::ColouredText), text);
            assert_eq!(escaped(line, LineForm::Json), json);
        }
    }

    #[test]
    fn one_line_has_no_line_breaks_and_no_tabs() {
        assert_eq!(one_line("a\n\tb\u{1b}[2J\u{202e}"), r"a\n\tb\u{1b}[2J\u{202e}");
        assert!(matches!(one_line("ünd 🚢"), Cow::Borrowed("ünd 🚢")));
    }

    #[test]
    fn only_the_colours_of_lines_are_kept_and_only_where_there_are_any() {
        let coloured = "\u{1b}[32m INFO\u{1b}[0m \u{1b}[1;31mx\u{1b}[0m";
        assert_eq!(escaped(coloured, LineForm::ColouredText), coloured);
        assert_eq!(escaped("\u{1b}[32mx", LineForm::Text), r"\u{1b}[32mx");
        for hostile in
            ["\u{1b}[2J", "\u{1b}[8m", "\u{1b}]0;title\u{7}", "\u{1b}c", "\u{1b}[m", "\u{1b}[0;30m", "\u{1b}"]
        {
            assert!(!escaped(hostile, LineForm::ColouredText).contains('\u{1b}'), "{hostile:?}");
        }
    }

    proptest! {
        #[test]
        fn an_escaped_json_line_has_the_same_values(text in proptest::collection::vec(any::<char>(), 0..40)) {
            let text: String = text.into_iter().chain(['\u{9b}', '\u{202e}', '\r']).collect();
            let line = serde_json::to_string(&text).unwrap();
            let escaped = escaped(&line, LineForm::Json);
            prop_assert_eq!(serde_json::from_str::<String>(&escaped).unwrap(), text);
            prop_assert!(!escaped.contains(|character: char| character.is_control() || is_directional(character)));
        }
    }
}
