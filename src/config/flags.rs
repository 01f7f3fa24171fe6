//! The layer of the command line.

use super::{
    layers::{DEFAULT, Layer, json, of_flag, origin_of},
    schema::SchemaNode,
    settings, texts,
    unknown_keys::nearest,
};
use crate::{
    queue::{
        name_at,
        sqs::{QueueAddress, is_without_scheme},
    },
    settings::{Key, Problem},
};

/// A flag that sets something.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flag {
    /// The flag, with its dashes.
    pub name: &'static str,
    /// The key of its setting; `queues.*` stands for the selected queue.
    pub key: &'static str,
}

/// Every flag that sets something.
pub(crate) const FLAGS: &[Flag] = &[
    Flag { name: "--queue-url", key: "queues.*.url" },
    Flag { name: "--handler", key: "queues.*.handler.url" },
    Flag { name: "--exec", key: "queues.*.handler.command" },
    Flag { name: "--lambda", key: "queues.*.handler.command" },
    Flag { name: "--sns", key: "queues.*.handler.topic_arn" },
    Flag { name: "--batch", key: "queues.*.batch.size" },
    Flag { name: "--concurrency", key: "queues.*.concurrency" },
    Flag { name: "--prefetch", key: "queues.*.prefetch" },
    Flag { name: "--visibility", key: "queues.*.visibility" },
    Flag { name: "--timeout", key: "queues.*.timeout" },
    Flag { name: "--region", key: "aws.region" },
    Flag { name: "--endpoint-url", key: "aws.endpoint_url" },
    Flag { name: "--admin-listen", key: "admin.listen" },
    Flag { name: "--drain-limit", key: "drain.limit" },
    Flag { name: "--log-format", key: "log.format" },
    Flag { name: "--log", key: "log.filter" },
];

/// The flags that choose a handler, with its kind and the names of its settings that say where it is.
pub(super) const HANDLERS: &[(&str, &str, &[&str])] = &[
    ("--handler", "http", &["url"]),
    ("--exec", "exec", &["command"]),
    ("--lambda", "lambda", &["command", "url", "urls"]),
    ("--sns", "sns", &["topic_arn", "phone_number", "phone_number_attribute"]),
];
/// The flags for all queues that a queue's own section may set otherwise, with its setting.
const OF_QUEUES: &[(&str, &str)] = &[("--region", "region"), ("--endpoint-url", "endpoint_url")];
const QUEUE_URL: &str = "--queue-url";

/// The flags of a command.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flags {
    /// `--queue`: the queue that the other flags apply to.
    pub queue: Option<String>,
    /// Each flag of [`FLAGS`] that was given, with its value.
    pub values: Vec<(&'static str, String)>,
}

impl Flags {
    /// True if the flags name a queue of their own.
    pub(super) fn name_a_queue(&self) -> bool {
        self.queue.is_some() || self.value(QUEUE_URL).is_some()
    }

    fn value(&self, wanted: &str) -> Option<&str> {
        self.values.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.as_str())
    }
}

/// The layer of the flags, and what it does to those below.
#[derive(Debug, Default)]
pub(super) struct FlagLayer {
    pub(super) layer: Layer,
    /// The settings below that a flag replaces, to be removed there.
    pub(super) replaced: Vec<Key>,
    /// The settings below that a flag overrides, each as a sentence.
    pub(super) overrides: Vec<String>,
    pub(super) problems: Vec<Problem>,
}

/// Reads the flags; `below` has the queues that they may apply to.
pub(super) fn layer(below: &Layer, root: &SchemaNode<'_>, flags: &Flags) -> FlagLayer {
    let FlagLayer { mut layer, mut replaced, mut overrides, mut problems } = FlagLayer::default();
    let queue = queue_of(below, flags);
    if let Some(problem) = flags.queue.as_ref().and(queue.as_ref().err()) {
        problems.push((**problem).clone());
    }
    for (name, text) in &flags.values {
        let Some(flag) = FLAGS.iter().find(|flag| flag.name == *name) else { continue };
        match (flag.key.strip_prefix("queues.*."), &queue) {
            (None, _) => {
                let key = Key::default().descend(flag.key);
                overrides.extend(overridden(below, flag.name, &key, text));
                set(&mut layer, root, flag.name, &key, text);
            }
            (Some(rest), Ok(queue)) => {
                if let Some(handler) = handler_flag(flag.name) {
                    let of_handler = queue.child("handler");
                    let before = replaced_by(below, &of_handler, handler);
                    overrides.extend(before.iter().filter_map(|key| overridden(below, flag.name, key, text)));
                    replaced.extend(before);
                    problems.extend(set_handler(&mut layer, root, &of_handler, (handler, text)));
                } else {
                    let key = queue.descend(rest);
                    overrides.extend(overridden(below, flag.name, &key, text));
                    if flag.name == QUEUE_URL {
                        overrides.extend(overridden(below, flag.name, &queue.child("name"), text));
                    }
                    set(&mut layer, root, flag.name, &key, text);
                }
            }
            (Some(_), Err(_)) if flags.queue.is_some() => {}
            (Some(_), Err(problem)) => {
                let message = format!("{} applies to one queue, but {}", flag.name, problem.message());
                problems.push((**problem).clone().with_message(message));
            }
        }
    }
    if let (Some(name), Ok(queue)) = (&flags.queue, &queue) {
        name_in_sqs(below, &mut layer, queue, name);
    }
    for (flag, text) in &flags.values {
        let Some((_, field)) = OF_QUEUES.iter().find(|(name, _)| name == flag) else { continue };
        overrides.extend(of_queues(below, &mut layer, root, (*flag, *field, text), queue.as_ref().ok()));
    }
    FlagLayer { layer, replaced, overrides, problems }
}

type HandlerFlag = (&'static str, &'static str, &'static [&'static str]);

fn handler_flag(name: &str) -> Option<HandlerFlag> {
    HANDLERS.iter().find(|(flag, ..)| *flag == name).copied()
}

/// The settings of a handler that one of a flag replaces: all of another kind, or those that say where it is.
fn replaced_by(below: &Layer, handler: &Key, (_, kind, locations): HandlerFlag) -> Vec<Key> {
    let Some(own) = below.get(&handler.child("kind")) else { return Vec::new() };
    if json(own) != kind {
        return vec![handler.clone()];
    }
    let locations = locations.iter().map(|name| handler.child(name));
    locations.filter(|key| below.get(key).is_some()).collect()
}

/// Sets the handler of a flag: an address, an ARN, or a command line.
fn set_handler(
    layer: &mut Layer,
    root: &SchemaNode<'_>,
    handler: &Key,
    ((flag, kind, locations), text): (HandlerFlag, &str),
) -> Option<Problem> {
    layer.set(&handler.child("kind"), &kind.into(), &of_flag(flag));
    let is_address = text.contains("://") || is_without_scheme(text);
    let location = match locations {
        [command, url, ..] if *command == "command" && is_address => url,
        [first, ..] => first,
        [] => return None,
    };
    let key = handler.child(location);
    if *location != "command" || text.trim_start().starts_with('[') {
        set(layer, root, flag, &key, text);
        return None;
    }
    match texts::command(text) {
        Ok(words) => {
            layer.set(&key, &words.into(), &of_flag(flag));
            None
        }
        Err(reason) => {
            layer.set(&key, &Vec::from([text.to_owned()]).into(), &of_flag(flag));
            Some(Problem::of(key, reason).with_value(text).with_origin(of_flag(flag)))
        }
    }
}

/// Sets what the section of the chosen queue sets for itself, and says what the flag does not change.
fn of_queues(
    below: &Layer,
    layer: &mut Layer,
    root: &SchemaNode<'_>,
    (flag, field, text): (&'static str, &str, &str),
    chosen: Option<&Key>,
) -> Vec<String> {
    let queues = Key::new(["queues"]);
    let mut notes = Vec::new();
    for queue in below.names(&queues).into_iter().map(|name| queues.child(name)) {
        let key = queue.child(field);
        let Some(note) = overridden(below, flag, &key, text) else { continue };
        if chosen == Some(&queue) {
            set(layer, root, flag, &key, text);
            notes.push(note);
        } else {
            notes.push(note.replacen("overrides", "does not change", 1));
        }
    }
    let urls = chosen.map(|queue| queue.child("url"));
    let url = urls.as_ref().and_then(|key| Some((key, json(layer.get(key).or_else(|| below.get(key))?))));
    if let (true, Some((key, url))) = (field == "region", url)
        && let Ok(address) = QueueAddress::parse(url.as_str().unwrap_or_default())
        && let Some(region) = address.region().filter(|region| *region != text)
    {
        notes.push(format!("{flag} does not apply to {key}, which names {region}"));
    }
    notes
}

/// The sentence about a setting below that a flag gives another value.
fn overridden(below: &Layer, flag: &str, key: &Key, text: &str) -> Option<String> {
    let value = below.get(key)?;
    let bare = json(value);
    let bare = bare.as_str().map_or_else(|| bare.to_string(), str::to_owned);
    let is_default = origin_of(value).starts_with(DEFAULT);
    (bare != text && !is_default).then(|| format!("{flag} overrides {key} of {}", origin_of(value)))
}

/// The queue that the flags of one queue apply to, or the reason why it is not clear.
fn queue_of(below: &Layer, flags: &Flags) -> Result<Key, Box<Problem>> {
    let queues = Key::new(["queues"]);
    let names = below.names(&queues);
    let url = flags.value(QUEUE_URL);
    match (&flags.queue, names.as_slice()) {
        (Some(name), names) if names.is_empty() || names.contains(&name.as_str()) || url.is_some() => {
            Ok(queues.child(name))
        }
        (Some(name), names) => Err(no_such_queue(name, names)),
        (None, [only]) => Ok(queues.child(only)),
        (None, []) => url.map(|url| queues.child(last_part(url))).ok_or_else(|| {
            Problem::general("there is none")
                .with_hint("give its address with --queue-url, or its name with --queue")
                .into()
        }),
        (None, names) => Err(Problem::general(format!("there are several: {}", names.join(", ")))
            .with_hint("choose one with --queue NAME")
            .into()),
    }
}

fn no_such_queue(name: &str, names: &[&str]) -> Box<Problem> {
    let problem = Problem::general(format!("no such queue: {name}"));
    let problem = problem.with_origin(of_flag("--queue")).with_allowed(names.join(", "));
    Box::new(match nearest(name, names) {
        Some(near) => problem.with_hint(format!("did you mean {near}?")),
        None => problem.with_hint("give --queue-url too for a new one"),
    })
}

/// Uses the name from `--queue` as the queue's name in SQS, unless the queue has a URL or a name.
fn name_in_sqs(below: &Layer, flags: &mut Layer, queue: &Key, name: &str) {
    let keys = ["url", "name"].map(|field| queue.child(field));
    let is_known = keys.iter().any(|key| below.get(key).is_some() || flags.get(key).is_some());
    if !is_known {
        flags.set(&queue.child("name"), &name.into(), &of_flag("--queue"));
    }
}

/// The name at the end of a queue's URL or ARN; anything but a valid name may be a password, and is not used.
fn last_part(url: &str) -> &str {
    let path = url.split(['?', '#']).next().unwrap_or(url);
    Some(name_at(path)).filter(|name| settings::is_section_name(name)).unwrap_or("queue")
}

fn set(layer: &mut Layer, root: &SchemaNode<'_>, flag: &'static str, key: &Key, text: &str) {
    let value = root.at(key).map_or_else(|| text.into(), |schema| schema.read(text));
    layer.set(key, &value, &of_flag(flag));
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;

    use super::*;
    use crate::config::{file, schema::schema};

    fn flagged(file: &str, queue: Option<&str>, values: &[(&'static str, &str)]) -> (Layer, Vec<Problem>) {
        let schema = schema();
        let file = file::parse(Path::new("f"), file).unwrap();
        let values = values.iter().map(|(name, text)| (*name, (*text).to_owned())).collect();
        let flags = Flags { queue: queue.map(str::to_owned), values };
        let flags = layer(&file, &SchemaNode::root(&schema), &flags);
        let mut below = file;
        for key in &flags.replaced {
            below.remove(key);
        }
        (Layer::merged(&[&below, &flags.layer]).unwrap(), flags.problems)
    }

    #[test]
    fn a_handler_of_every_kind_needs_no_file() {
        let handler = |flag: &'static str, text: &str| {
            let (tree, problems) = flagged("", None, &[("--queue-url", "http://sqs/1/q"), (flag, text)]);
            assert_eq!(problems, []);
            tree.json()["queues"]["q"]["handler"].clone()
        };
        assert_eq!(
            handler("--exec", "python3 'my job.py'"),
            json!({"kind": "exec", "command": ["python3", "my job.py"]})
        );
        assert_eq!(
            handler("--exec", "cat >> out"),
            json!({"kind": "exec", "command": ["sh", "-c", "cat >> out"]})
        );
        assert_eq!(handler("--lambda", "bootstrap"), json!({"kind": "lambda", "command": ["bootstrap"]}));
        assert_eq!(handler("--lambda", "127.0.0.1:9000"), json!({"kind": "lambda", "url": "127.0.0.1:9000"}));
        let topic = "arn:aws:sns:eu-west-1:123456789012:t";
        assert_eq!(handler("--sns", topic), json!({"kind": "sns", "topic_arn": topic}));
        let (_, problems) = flagged("queues.q.name = 'q'", None, &[("--exec", "job 'a")]);
        assert_eq!(problems[0].message(), "a quote is never closed");
    }

    #[test]
    fn a_handler_of_another_kind_replaces_that_of_the_file_and_one_of_its_kind_keeps_the_rest() {
        let file =
            "[queues.q]\nname = 'q'\n[queues.q.handler]\nkind = 'http'\nurl = 'http://a/'\nreject = [422]";
        let handler =
            |flag, text| flagged(file, None, &[(flag, text)]).0.json()["queues"]["q"]["handler"].clone();
        assert_eq!(handler("--exec", "job"), json!({"kind": "exec", "command": ["job"]}));
        assert_eq!(
            handler("--handler", "http://b/"),
            json!({"kind": "http", "url": "http://b/", "reject": [422]})
        );
    }

    #[test]
    fn a_flag_that_overrides_a_setting_says_so() {
        let schema = schema();
        let file = file::parse(
            Path::new("f"),
            "[queues.q]\nconcurrency = 2\n[queues.q.handler]\nkind = 'http'\nurl = 'u'",
        );
        let overrides = |flag, text: &str| {
            let flags = Flags { queue: None, values: vec![(flag, text.to_owned())] };
            layer(file.as_ref().unwrap(), &SchemaNode::root(&schema), &flags).overrides
        };
        assert_eq!(
            overrides("--concurrency", "3"),
            ["--concurrency overrides queues.q.concurrency of f, line 2"]
        );
        assert_eq!(overrides("--concurrency", "2"), [""; 0], "the same");
        assert_eq!(overrides("--prefetch", "2"), [""; 0], "not in the file");
        assert_eq!(overrides("--exec", "job"), ["--exec overrides queues.q.handler of f, line 3"]);
    }

    #[test]
    fn a_flag_overrides_what_the_only_queue_sets_for_itself_and_no_other() {
        let schema = schema();
        let notes = |file: &str, queue: Option<&str>, flag, text: &str| {
            let file = file::parse(Path::new("f"), file).unwrap();
            let flags = Flags { queue: queue.map(str::to_owned), values: vec![(flag, text.to_owned())] };
            let flags = layer(&file, &SchemaNode::root(&schema), &flags);
            let own = flags.layer.get(&Key::new(["queues", "q", "endpoint_url"])).map(json);
            (flags.overrides, own)
        };
        let own = "[queues.q]\nname = 'q'\nendpoint_url = 'http://a'";
        let (overrides, endpoint) = notes(own, None, "--endpoint-url", "http://b");
        assert_eq!(overrides, ["--endpoint-url overrides queues.q.endpoint_url of f, line 3"]);
        assert_eq!(endpoint, Some("http://b".into()));
        let two = format!("{own}\n[queues.r]\nname = 'r'");
        let (overrides, endpoint) = notes(&two, Some("r"), "--endpoint-url", "http://b");
        let not_applied = "--endpoint-url does not change queues.q.endpoint_url of f, line 3";
        assert_eq!((overrides, endpoint), (vec![not_applied.to_owned()], None));
        let named = "[queues.q]\nname = 'q'";
        assert_eq!(
            notes(named, None, "--queue-url", "http://sqs/1/r").0,
            ["--queue-url overrides queues.q.name of f, line 2"]
        );
        let of_url = "[queues.q]\nurl = 'https://sqs.eu-west-1.amazonaws.com/1/q'";
        assert_eq!(
            notes(of_url, None, "--region", "us-east-1").0,
            ["--region does not apply to queues.q.url, which names eu-west-1"]
        );
    }

    #[test]
    fn every_flag_sets_something_that_exists() {
        let schema = schema();
        for flag in FLAGS {
            assert!(
                SchemaNode::root(&schema).at(&Key::default().descend(flag.key)).is_some(),
                "{}",
                flag.key
            );
        }
    }

    #[test]
    fn a_queue_needs_no_file() {
        let (tree, problems) =
            flagged("", None, &[("--queue-url", "http://sqs/1/orders.fifo"), ("--handler", "http://h/")]);
        assert_eq!(problems, []);
        let orders =
            json!({"url": "http://sqs/1/orders.fifo", "handler": {"kind": "http", "url": "http://h/"}});
        assert_eq!(tree.json(), json!({"queues": {"orders.fifo": orders}}));
    }

    #[test]
    fn flags_apply_to_the_only_queue() {
        let (tree, problems) = flagged("queues.a.name = 'x'", None, &[("--concurrency", "3")]);
        assert_eq!(problems, []);
        assert_eq!(tree.json(), json!({"queues": {"a": {"name": "x", "concurrency": 3}}}));
    }

    #[test]
    fn with_several_queues_a_flag_needs_the_queue() {
        let file = "queues.a.name = 'x'\nqueues.b.name = 'y'";
        let (_, problems) = flagged(file, None, &[("--concurrency", "3")]);
        let message = problems[0].to_string();
        assert!(
            message.contains("--concurrency") && message.contains("a, b") && message.contains("--queue"),
            "{message}"
        );
        let (tree, problems) = flagged(file, Some("b"), &[("--concurrency", "3")]);
        assert_eq!(
            (json(tree.get(&Key::new(["queues", "b", "concurrency"])).unwrap()), problems),
            (3.into(), vec![])
        );
    }

    #[test]
    fn a_misspelt_queue_is_one_problem_and_no_new_queue() {
        let values = [("--concurrency", "3"), ("--timeout", "3s")];
        let (tree, problems) = flagged("queues.orders.name = 'x'", Some("oders"), &values);
        assert!(problems[0].to_string().contains("did you mean orders?"), "{}", problems[0]);
        assert_eq!((problems.len(), tree.json()), (1, json!({"queues": {"orders": {"name": "x"}}})));
    }

    #[test]
    fn a_queue_named_only_by_a_flag_has_that_name_in_sqs() {
        let (tree, problems) = flagged("", Some("orders"), &[]);
        assert_eq!((tree.json(), problems), (json!({"queues": {"orders": {"name": "orders"}}}), vec![]));
    }
}
