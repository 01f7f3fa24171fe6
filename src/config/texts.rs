//! Reads what people write short: addresses without a scheme, and commands as one text.

use config::{Value, ValueKind};

use super::layers::{Layer, origin_of};
use crate::{
    queue::sqs::{is_without_scheme, missing_scheme},
    settings::Key,
};

/// Completes the URLs of queues, handlers and endpoints in a layer.
pub(super) fn complete_addresses(layer: &mut Layer) {
    let whole: Vec<_> = layer.nodes().into_iter().filter_map(|(key, value)| completed(key, value)).collect();
    for (key, value) in whole {
        layer.put(&key, value);
    }
}

fn completed(key: Key, value: &Value) -> Option<(Key, Value)> {
    let ValueKind::String(text) = &value.kind else { return None };
    let scheme = match key.names() {
        [.., parent, last] if last == "endpoint_url" || parent == "handler" && last == "url" => {
            is_without_scheme(text).then_some("http")
        }
        [.., last] if last == "url" => missing_scheme(text),
        _ => None,
    }?;
    let whole = ValueKind::String(format!("{scheme}://{text}"));
    Some((key, Value::new(Some(&origin_of(value)), whole)))
}

/// The characters for which a shell is needed, unless they are quoted.
const OF_SHELL: &str = "|&;<>()$`*?~\n";
/// Those of them that a shell reads in double quotes, too.
const IN_DOUBLE_QUOTES: &str = "$`";

/// The program and its arguments; by `sh -c` where the text has more than words, such as a pipe or a variable.
///
/// `Err` for a quote that is never closed, and for an empty command.
pub(super) fn command(text: &str) -> Result<Vec<String>, &'static str> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut rest = text.chars();
    while let Some(one) = rest.next() {
        match one {
            ' ' | '\t' => words.extend(word.take()),
            '\'' => push_until(word.get_or_insert_default(), &mut rest, '\'')?,
            '"' => {
                let quoted = word.get_or_insert_default();
                let from = quoted.len();
                push_until(quoted, &mut rest, '"')?;
                if quoted[from..].contains(|one| IN_DOUBLE_QUOTES.contains(one)) {
                    return Ok(by_shell(text));
                }
            }
            '\\' => word.get_or_insert_default().extend(rest.next()),
            one if OF_SHELL.contains(one) => return Ok(by_shell(text)),
            one => word.get_or_insert_default().push(one),
        }
    }
    words.extend(word);
    match words.first() {
        None => Err("the command is empty"),
        // A variable before the program.
        Some(first) if first.split('/').next().is_some_and(|start| start.contains('=')) => Ok(by_shell(text)),
        Some(_) => Ok(words),
    }
}

fn by_shell(text: &str) -> Vec<String> {
    ["sh", "-c", text].map(str::to_owned).to_vec()
}

fn push_until(word: &mut String, rest: &mut std::str::Chars<'_>, quote: char) -> Result<(), &'static str> {
    loop {
        match rest.next() {
            None => return Err("a quote is never closed"),
            Some(one) if one == quote => return Ok(()),
            Some('\\') if quote == '"' => word.extend(rest.next()),
            Some(one) => word.push(one),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_queues_handlers_and_endpoints_are_completed_and_keep_their_origin() {
        for (key, text, whole) in [
            ("queues.a.handler.url", "h:1", "http://h:1"),
            ("aws.endpoint_url", "h:1", "http://h:1"),
            ("queues.a.url", "h:1/000000000000/a", "http://h:1/000000000000/a"),
            (
                "queues.a.dlq.url",
                "sqs.eu-west-1.amazonaws.com/1/a",
                "https://sqs.eu-west-1.amazonaws.com/1/a",
            ),
            ("queues.a.name", "h:1", "h:1"),
        ] {
            let mut layer = Layer::default();
            let path = Key::default().descend(key);
            layer.set(&path, &text.into(), "flag --x");
            complete_addresses(&mut layer);
            let value = layer.get(&path).unwrap();
            let shown = format!("{} of {}", crate::config::layers::json(value), origin_of(value));
            assert_eq!(shown, format!("\"{whole}\" of flag --x"), "{key}");
        }
    }

    fn words(text: &str) -> Vec<String> {
        command(text).unwrap()
    }

    #[test]
    fn words_are_split_as_a_shell_splits_them() {
        assert_eq!(words("python3  job.py"), ["python3", "job.py"]);
        assert_eq!(words(r#"job 'a b' "c \"d" e\ f ''"#), ["job", "a b", "c \"d", "e f", ""]);
    }

    #[test]
    fn what_needs_a_shell_gets_one() {
        for text in ["cat >> out.txt", "echo $HOME", "echo \"$HOME\"", "A=1 job", "a | b", "ls *.txt"] {
            assert_eq!(words(text), ["sh", "-c", text]);
        }
        assert_eq!(words("echo '$HOME' a=1"), ["echo", "$HOME", "a=1"]);
    }

    #[test]
    fn an_open_quote_and_nothing_are_no_command() {
        assert!(command("job 'a").is_err() && command("job \"a").is_err() && command(" ").is_err());
    }
}
