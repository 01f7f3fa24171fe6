//! The output and the exit codes of the commands.
#![expect(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    path::Path,
};

use assert_cmd::Command;

/// The command in an empty directory, with an empty environment.
fn longshore(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_longshore"));
    command.env_clear().current_dir(directory);
    command
}

struct Seen {
    code: i32,
    output: String,
    errors: String,
}

fn run(command: &mut Command) -> Seen {
    let output = command.output().unwrap();
    Seen {
        code: output.status.code().unwrap(),
        output: String::from_utf8(output.stdout).unwrap(),
        errors: String::from_utf8(output.stderr).unwrap(),
    }
}

#[test]
fn help_and_version_are_no_failure() {
    let directory = tempfile::tempdir().unwrap();
    for argument in ["--help", "--version"] {
        let seen = run(longshore(directory.path()).arg(argument));
        assert_eq!((seen.code, seen.errors.as_str()), (0, ""));
        assert!(!seen.output.is_empty());
    }
}

#[test]
fn bad_usage_is_64() {
    let directory = tempfile::tempdir().unwrap();
    for arguments in [&[][..], &["run", "--bogus"], &["nothing"], &["send"], &["dev", "--api-listen", "x"]] {
        let seen = run(longshore(directory.path()).args(arguments));
        assert_eq!((seen.code, seen.output.as_str()), (64, ""), "{arguments:?}");
    }
}

#[test]
fn top_without_a_terminal_is_bad_usage_and_names_the_same_as_json() {
    let directory = tempfile::tempdir().unwrap();
    let seen = run(longshore(directory.path()).args(["top", "10.0.0.7:9090"]));
    let expected = "error: top needs a terminal\n  hint: the same is JSON at http://10.0.0.7:9090/status\n";
    assert_eq!((seen.code, seen.output.as_str(), seen.errors.as_str()), (64, "", expected));
    for arguments in [&["top", "::"][..], &["top", "--interval", "1ms"], &["top", "https://h:1"]] {
        let seen = run(longshore(directory.path()).args(arguments));
        assert_eq!((seen.code, seen.output.as_str()), (64, ""), "{arguments:?}");
    }
}

#[test]
fn run_without_a_queue_names_the_missing_flags() {
    let directory = tempfile::tempdir().unwrap();
    let seen = run(longshore(directory.path()).arg("run"));
    assert_eq!(seen.code, 64);
    assert!(seen.errors.contains("--queue-url") && seen.errors.contains("--handler"), "{}", seen.errors);
}

#[test]
fn every_problem_of_every_source_is_reported_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let file = "[queues.orders]\nulr = \"x\"\nvisibility = \"1500ms\"\n[admin]\nlisten = 9090\n";
    std::fs::write(directory.path().join("longshore.toml"), file).unwrap();
    let seen = run(longshore(directory.path())
        .env("LONGSHORE__QUEUES__ORDERS__RETRY__FACTOR", "0.5")
        .args(["config", "--check", "--concurrency", "many"]));
    assert_eq!(seen.code, 64);
    for text in [
        "6 problems",
        "queues.orders.ulr = \"x\": unknown key\n    from: longshore.toml, line 2",
        "did you mean url?",
        "queues.orders.visibility = \"1500ms\"",
        "allowed: whole seconds from 2s to 12h",
        "admin.listen = 9090",
        "from: longshore.toml, line 5",
        "from: environment LONGSHORE__QUEUES__ORDERS__RETRY__FACTOR",
        "queues.orders.concurrency = \"many\"",
        "from: flag --concurrency",
        "queues.orders.handler: the queue has no handler",
    ] {
        assert!(seen.errors.contains(text), "{text} is not in {}", seen.errors);
    }
}

#[test]
fn a_malformed_file_is_reported_with_line_and_column() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("mine.toml"), "[admin]\nlisten = \n").unwrap();
    let seen = run(longshore(directory.path()).args(["config", "--config", "mine.toml"]));
    assert_eq!(seen.code, 64);
    assert!(seen.errors.contains("mine.toml, line 2, column"), "{}", seen.errors);
}

#[test]
fn a_named_file_must_exist() {
    let directory = tempfile::tempdir().unwrap();
    let by_flag = run(longshore(directory.path()).args(["config", "--config", "none.toml"]));
    assert!(by_flag.code == 64 && by_flag.errors.contains("flag --config"), "{}", by_flag.errors);
    let by_variable = run(longshore(directory.path()).env("LONGSHORE_CONFIG", "none.toml").arg("config"));
    assert!(
        by_variable.code == 64 && by_variable.errors.contains("LONGSHORE_CONFIG"),
        "{}",
        by_variable.errors
    );
}

#[test]
fn the_settings_are_shown_with_their_origins_and_without_their_secrets() {
    let directory = tempfile::tempdir().unwrap();
    let file = "[queues.orders-eu]\nurl = \"http://sqs/1/orders\"\nconcurrency = 2\n";
    std::fs::write(directory.path().join("longshore.toml"), file).unwrap();
    let seen = run(longshore(directory.path())
        .env("LONGSHORE__QUEUES__ORDERS_EU__CONCURRENCY", "32")
        .args(["config", "--handler", "http://me:hunter2@h/?token=hunter2"]));
    assert_eq!((seen.code, seen.errors.as_str()), (0, ""));
    for [setting, origin] in [
        ["concurrency = 32 ", "# environment LONGSHORE__QUEUES__ORDERS_EU__CONCURRENCY"],
        ["url = \"http://sqs/1/orders\" ", "# longshore.toml, line 2"],
        ["url = \"http://***@h/?token=***\" ", "# flag --handler"],
    ] {
        let is_shown = |line: &str| line.starts_with(setting) && line.ends_with(origin);
        assert!(seen.output.lines().any(is_shown), "{setting}, {origin} is not in {}", seen.output);
    }
    assert!(!seen.output.contains("hunter2"));
}

#[test]
fn the_shown_settings_can_be_read_back() {
    let directory = tempfile::tempdir().unwrap();
    let arguments =
        ["config", "--queue-url", "http://sqs/1/orders.fifo", "--handler", "http://h/", "--timeout", "none"];
    let shown = run(longshore(directory.path()).args(arguments));
    std::fs::write(directory.path().join("longshore.toml"), &shown.output).unwrap();
    let plain = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.split("  #").next().unwrap_or_default().trim_end().to_owned()).collect()
    };
    let again = run(longshore(directory.path()).arg("config"));
    assert_eq!(again.errors, "");
    assert_eq!(plain(&again.output), plain(&shown.output));
}

#[test]
fn the_json_names_value_and_origin() {
    let directory = tempfile::tempdir().unwrap();
    let seen = run(longshore(directory.path()).args(["config", "--json", "--drain-limit", "5s"]));
    let json: serde_json::Value = serde_json::from_str(&seen.output).unwrap();
    assert_eq!(json["drain.limit"], serde_json::json!({"value": "5s", "origin": "flag --drain-limit"}));
    assert_eq!(json["log.filter"]["origin"], "default");
}

#[test]
fn a_closed_pipe_is_no_failure() {
    let directory = tempfile::tempdir().unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_longshore"));
    command.env_clear().current_dir(&directory).args(["config", "--schema"]).stdout(writer);
    let output = command.output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
}

/// Answers one request with this text; returns its address.
#[expect(clippy::disallowed_methods, reason = "it ends with its one answer")]
fn answering(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 1024];
        let length = stream.read(&mut request).unwrap();
        let expected = format!("GET /livez HTTP/1.1\r\nHost: {address}\r\n");
        assert!(request[..length].starts_with(expected.as_bytes()));
        stream.write_all(answer.as_bytes()).unwrap();
    });
    address.to_string()
}

#[test]
fn the_health_check_distinguishes_a_healthy_worker_from_a_silent_one() {
    let directory = tempfile::tempdir().unwrap();
    let healthy = answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}");
    let seen = run(longshore(directory.path()).env("LONGSHORE__ADMIN__LISTEN", healthy).arg("healthcheck"));
    assert_eq!((seen.code, seen.output.as_str()), (0, "healthy\n"), "{}", seen.errors);
    let url =
        format!("http://{}/livez", answering("HTTP/1.1 503 Service Unavailable\r\n\r\n{\"silent\":{}}"));
    let seen = run(longshore(directory.path()).args(["healthcheck", "--url", &url]));
    assert!(seen.code == 69 && seen.errors.contains("silent"), "{}", seen.errors);
}

#[test]
fn the_health_check_fails_without_a_worker() {
    let directory = tempfile::tempdir().unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let seen =
        run(longshore(directory.path()).args(["healthcheck", "--url", &format!("http://{free}/livez")]));
    assert_eq!(seen.code, 69);
}

/// The arguments of longshore in a page's shell examples, up to a `#` or a pipe.
fn quoted_commands(page: &str) -> Vec<String> {
    let blocks = page.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    let examples = blocks.collect::<String>().replace("\\\n", " ");
    let commands = examples.lines().filter_map(|line| line.trim().strip_prefix("longshore "));
    commands.filter_map(|command| command.split(['#', '|']).next()).map(str::to_owned).collect()
}

#[test]
fn every_command_in_the_pages_about_operations_is_valid() {
    let pages = [
        include_str!("../docs/operations.md"),
        include_str!("../docs/alarms.md"),
        include_str!("../docs/alerts.md"),
        include_str!("../docs/troubleshooting.md"),
        include_str!("../docs/security.md"),
        include_str!("../deploy/README.md"),
    ];
    let commands: Vec<_> = pages.into_iter().flat_map(quoted_commands).collect();
    assert!(commands.len() > 5, "{commands:?}");
    for command in commands {
        let words = command.split_whitespace().map(|word| word.trim_matches(['"', '\'']));
        Command::new(env!("CARGO_BIN_EXE_longshore")).args(words).arg("--help").assert().success();
    }
}

#[test]
fn init_writes_a_configuration_and_its_schema_once() {
    let directory = tempfile::tempdir().unwrap();
    let seen = run(longshore(directory.path()).args(["init", "exec", "--queue", "mails"]));
    assert_eq!((seen.code, seen.errors.as_str()), (0, ""));
    assert!(seen.output.contains("first:  write job.py"), "{}", seen.output);
    let file = std::fs::read_to_string(directory.path().join("longshore.toml")).unwrap();
    assert!(
        file.starts_with("#:schema ./longshore.schema.json\n") && file.contains("[queues.mails]"),
        "{file}"
    );
    let schema = std::fs::read_to_string(directory.path().join("longshore.schema.json")).unwrap();
    assert_eq!(schema, run(longshore(directory.path()).args(["config", "--schema"])).output);
    assert_eq!(run(longshore(directory.path()).args(["config", "--check"])).code, 0);
    let again = run(longshore(directory.path()).arg("init"));
    assert!(again.code == 64 && again.errors.contains("--force"), "{}", again.errors);
    assert_eq!(run(longshore(directory.path()).args(["init", "--force"])).code, 0);
}

#[test]
fn send_without_a_message_names_both_ways_to_give_one() {
    let directory = tempfile::tempdir().unwrap();
    let seen = run(longshore(directory.path()).args(["send", "--queue-url", "http://127.0.0.1:1/1/q"]));
    assert_eq!(seen.code, 64);
    assert!(seen.errors.contains("MESSAGE") && seen.errors.contains("--file"), "{}", seen.errors);
    let both = run(longshore(directory.path()).args(["send", "a", "--file", "b"]));
    assert!(both.code == 64 && both.errors.contains("cannot be used with"), "{}", both.errors);
}

#[test]
fn completions_and_manual_pages_name_every_command() {
    let directory = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let script = run(longshore(directory.path()).args(["completions", shell])).output;
        assert!(script.contains("longshore") && script.contains("healthcheck"), "{shell}");
    }
    assert!(run(longshore(directory.path()).arg("man")).output.contains(".TH longshore"));
    assert_eq!(run(longshore(directory.path()).args(["man", "."])).code, 0);
    assert!(directory.path().join("longshore-dev.1").exists());
}

#[test]
fn a_misspelt_command_and_variable_are_answered_with_what_was_meant() {
    let directory = tempfile::tempdir().unwrap();
    assert!(run(longshore(directory.path()).arg("rnu")).errors.contains("did you mean run?"));
    let seen = run(longshore(directory.path()).env("LONGSHORE_QUEUES__ORDERS__URL", "u").arg("config"));
    assert!(seen.code == 64 && seen.errors.contains("LONGSHORE__QUEUES__ORDERS__URL"), "{}", seen.errors);
}
