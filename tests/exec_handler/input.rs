//! The input of a program: the body, the environment, and files for large values.

use std::{fs, sync::Arc, time::Duration};

use longshore::{
    Message,
    handler::{Outcome, exec::Settings},
    message::{AttributeValue, BodyFile, SystemAttributes},
};
use rustix::process::{Resource, getrlimit};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    alive::within,
    harness::{ScriptDirectory, context, exec, message, outcome_of, retried},
};

const KEEP: &str = "cat > $DIR/body; env -0 > $DIR/env";

fn with_attributes<'a>(pairs: impl IntoIterator<Item = (&'a str, AttributeValue)>) -> Message {
    let attributes = pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Message { attributes, ..message("body") }
}

/// The variables of a run whose names have this prefix.
async fn variables_of(
    settings: Settings,
    directory: &ScriptDirectory,
    message: Message,
    prefix: &str,
) -> Vec<(String, String)> {
    assert_eq!(outcome_of(&exec(settings), message).await, Outcome::Done);
    let mut variables = directory.variables("env");
    variables.retain(|(name, _)| name.starts_with(prefix));
    variables.sort();
    variables
}

fn value<'a>(variables: &'a [(String, String)], name: &str) -> Option<&'a str> {
    variables.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
}

#[tokio::test]
async fn the_body_is_read_byte_for_byte() {
    let directory = ScriptDirectory::new();
    let exec = directory.exec(KEEP);
    for body in ["", " ", "{}", "\n\n\r\n\t\n", "🚢 ünd\u{10FFFD}\n", &"ß🚢x\n".repeat(131_072)] {
        assert_eq!(outcome_of(&exec, message(body)).await, Outcome::Done);
        assert!(directory.read("body") == body.as_bytes(), "{} bytes", body.len());
    }
}

#[tokio::test]
async fn a_body_in_a_file_is_read_from_there_and_from_the_input_byte_for_byte() {
    let directory = ScriptDirectory::new();
    let bytes: Vec<u8> = (0..=255).cycle().take(1_000_000).collect();
    let path = directory.file("fetched");
    fs::write(&path, &bytes).unwrap();
    let message =
        Message { body_file: Some(Arc::new(BodyFile::new(path.clone(), bytes.len() as u64))), ..message("") };
    let exec = directory.exec("cat > $DIR/body; cp $LONGSHORE_BODY_FILE $DIR/copy");
    assert_eq!(outcome_of(&exec, message).await, Outcome::Done);
    assert!(directory.read("body") == bytes && directory.read("copy") == bytes);
    assert!(!path.exists(), "it is removed with its message");
}

#[tokio::test]
async fn a_program_need_not_read_its_input() {
    for script in ["exit 0", "exec <&-; sleep 0.05; exit 0", "head -c 1 > $DIR/first; exit 0"] {
        let directory = ScriptDirectory::new();
        assert_eq!(outcome_of(&directory.exec(script), message("x".repeat(1 << 20))).await, Outcome::Done);
    }
}

#[tokio::test]
async fn a_large_body_is_in_a_file_too_that_is_removed_afterwards() {
    let directory = ScriptDirectory::new();
    let script = "cat > $DIR/body; cp $LONGSHORE_BODY_FILE $DIR/copy; echo $LONGSHORE_BODY_FILE > $DIR/name; \
        stat -c %a $LONGSHORE_BODY_FILE > $DIR/mode";
    let files = directory.file("files");
    fs::create_dir(&files).unwrap();
    let settings = Settings { temporary_directory: Some(files.clone()), ..directory.settings(script) };
    let body = "ß🚢x\n".repeat(100_000);
    assert_eq!(outcome_of(&exec(settings), message(body.as_str())).await, Outcome::Done);
    assert!(directory.read("body") == body.as_bytes() && directory.read("copy") == body.as_bytes());
    assert!(directory.read("name").starts_with(files.as_os_str().as_encoded_bytes()));
    assert_eq!(directory.read("mode"), b"600\n");
    assert_eq!(fs::read_dir(files).unwrap().count(), 0, "a file is left behind");
}

#[tokio::test]
async fn a_small_body_is_in_no_file_unless_configured() {
    let directory = ScriptDirectory::new();
    let settings = Settings { body_file_bytes: 5, ..directory.settings(KEEP) };
    let variables = variables_of(settings.clone(), &directory, message("four"), "LONGSHORE_").await;
    assert_eq!(value(&variables, "LONGSHORE_BODY_FILE"), None);
    let settings = Settings { body_file_bytes: 0, ..settings };
    let variables = variables_of(settings, &directory, message(""), "LONGSHORE_").await;
    assert!(value(&variables, "LONGSHORE_BODY_FILE").is_some());
}

#[tokio::test]
async fn a_file_that_cannot_be_written_is_a_retry_of_its_message_only() {
    let directory = ScriptDirectory::new();
    let nowhere = Some(directory.file("nowhere"));
    let exec =
        exec(Settings { temporary_directory: nowhere, body_file_bytes: 5, ..directory.settings(KEEP) });
    let reason = retried(outcome_of(&exec, message("large")).await);
    assert!(reason.contains("body") && reason.contains("nowhere") && reason.contains("hint:"), "{reason}");
    assert_eq!(outcome_of(&exec, message("tiny")).await, Outcome::Done);
}

#[tokio::test]
async fn the_environment_describes_the_message() {
    let directory = ScriptDirectory::new();
    let message = Message {
        receive_count: 3,
        system: SystemAttributes {
            group_id: Some("tenant 7".to_owned()),
            sequence_number: Some("18849496460467696128".to_owned()),
            deduplication_id: Some("order-7".to_owned()),
            sender_id: Some("AIDAEXAMPLE".to_owned()),
            trace_header: Some("Root=1-5759e988-bd862e3fe1be46a994272793".to_owned()),
            ..SystemAttributes::default()
        }
        .into(),
        ..with_attributes([
            ("Title", AttributeValue::string("The Whistler\n'quoted' \"$HOME\" `id` 🚢")),
            ("Weeks.On-List", AttributeValue::number("6")),
            ("cover", AttributeValue::binary([1, 2, 255])),
            (
                "traceparent",
                AttributeValue::string("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
            ),
        ])
    };
    let variables = variables_of(directory.settings(KEEP), &directory, message, "").await;
    let is = |name: &str, expected: &str| assert_eq!(value(&variables, name), Some(expected), "{name}");
    is("LONGSHORE_MESSAGE_ID", "message-1");
    is("LONGSHORE_QUEUE", "orders");
    is("LONGSHORE_RECEIVE_COUNT", "3");
    is("LONGSHORE_GROUP_ID", "tenant 7");
    is("LONGSHORE_SEQUENCE_NUMBER", "18849496460467696128");
    is("LONGSHORE_DEDUPLICATION_ID", "order-7");
    is("LONGSHORE_SENDER_ID", "AIDAEXAMPLE");
    is("LONGSHORE_ATTRIBUTE_TITLE", "The Whistler\n'quoted' \"$HOME\" `id` 🚢");
    is("LONGSHORE_ATTRIBUTE_WEEKS_ON_LIST", "6");
    is("LONGSHORE_ATTRIBUTE_COVER", "AQL/");
    is("TRACEPARENT", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    is("_X_AMZN_TRACE_ID", "Root=1-5759e988-bd862e3fe1be46a994272793");
    is("DIR", directory.path().to_str().unwrap());
    assert!(value(&variables, "PATH").is_some(), "Longshore's own environment is not inherited");
    assert_eq!(value(&variables, "LONGSHORE_ATTRIBUTES_LEFT_OUT"), None);
}

#[tokio::test]
async fn a_variable_of_longshore_itself_is_not_passed_on_as_the_messages() {
    let directory = ScriptDirectory::new();
    let mut settings = directory.settings(KEEP);
    settings.env.insert("TRACEPARENT".to_owned(), "00-of-the-worker-itself-01".to_owned());
    settings.env.insert("_X_AMZN_TRACE_ID".to_owned(), "Root=1-of-the-worker".to_owned());
    assert_eq!(variables_of(settings.clone(), &directory, message(""), "TRACEPARENT").await, []);
    assert_eq!(variables_of(settings, &directory, message(""), "_X_AMZN").await, []);
}

#[tokio::test]
async fn the_deadline_is_in_the_environment_if_there_is_one() {
    let directory = ScriptDirectory::new();
    let deadline = Instant::now().checked_add(Duration::from_hours(1));
    let context = context(&CancellationToken::new()).with_deadline(deadline);
    assert_eq!(within(directory.exec(KEEP).handle(Arc::new(message("")), context)).await, Outcome::Done);
    let variables = directory.variables("env");
    let deadline = value(&variables, "LONGSHORE_DEADLINE").unwrap();
    assert!(deadline.len() == "2018-12-17T21:37:59.250Z".len() && deadline.ends_with('Z'), "{deadline}");
}

#[tokio::test]
async fn attributes_that_are_left_out_are_in_a_file() {
    let directory = ScriptDirectory::new();
    let huge = "x".repeat(300_000);
    let message = with_attributes([
        ("a\nLONGSHORE_QUEUE=evil;$(id)", AttributeValue::string("hostile")),
        ("PATH", AttributeValue::string("/evil")),
        ("tenant-id", AttributeValue::string("1")),
        ("tenant.id", AttributeValue::string("2")),
        ("nul", AttributeValue::string("a\0b")),
        ("huge", AttributeValue::string(huge.as_str())),
        ("bytes", AttributeValue::binary(vec![7; 100_000])),
    ]);
    let script = format!("{KEEP}; cp $LONGSHORE_ATTRIBUTES_FILE $DIR/attributes");
    let variables = variables_of(directory.settings(&script), &directory, message, "LONGSHORE_").await;
    assert_eq!(value(&variables, "LONGSHORE_QUEUE"), Some("orders"));
    assert_eq!(value(&variables, "LONGSHORE_ATTRIBUTE_PATH"), Some("/evil"));
    let hostile = "LONGSHORE_ATTRIBUTE_A_LONGSHORE_QUEUE_EVIL___ID_";
    assert_eq!(value(&variables, hostile), Some("hostile"));
    assert_eq!(value(&variables, "LONGSHORE_ATTRIBUTE_TENANT_ID"), None);
    assert_eq!(value(&variables, "LONGSHORE_ATTRIBUTES_LEFT_OUT"), Some("5"));
    let all: serde_json::Value = serde_json::from_slice(&directory.read("attributes")).unwrap();
    assert_eq!(all.as_object().unwrap().len(), 7);
    assert_eq!(all["tenant.id"], serde_json::json!({"dataType": "String", "stringValue": "2"}));
    assert_eq!((&all["nul"]["stringValue"], &all["huge"]["stringValue"]), (&"a\0b".into(), &huge.into()));
    assert_eq!(all["bytes"]["binaryValue"].as_str().unwrap().len(), 133_336);
    let file = value(&variables, "LONGSHORE_ATTRIBUTES_FILE").unwrap();
    assert!(!fs::exists(file).unwrap(), "the file is left behind");
}

#[tokio::test]
async fn attributes_are_left_out_if_the_environment_is_full() {
    let directory = ScriptDirectory::new();
    let mut settings = directory.settings(KEEP);
    // Linux allows a quarter of the stack's limit, at most 6 MiB; all but 40 KiB of it is filled here.
    let limit = getrlimit(Resource::Stack).current.map_or(u64::MAX, |stack| stack / 4).min(6 << 20);
    let fill = usize::try_from(limit).unwrap() - 40_000;
    for (number, chunk) in vec![b'x'; fill].chunks(100_000).enumerate() {
        settings.env.insert(format!("FILL_{number}"), String::from_utf8(chunk.to_vec()).unwrap());
    }
    let message = with_attributes([("large", AttributeValue::string("x".repeat(60_000)))]);
    let variables = variables_of(settings, &directory, message, "LONGSHORE_").await;
    assert_eq!(value(&variables, "LONGSHORE_ATTRIBUTE_LARGE"), None);
    assert_eq!(value(&variables, "LONGSHORE_ATTRIBUTES_LEFT_OUT"), Some("1"));
    assert!(value(&variables, "LONGSHORE_ATTRIBUTES_FILE").is_some());
}

#[tokio::test]
async fn a_program_may_remove_its_file() {
    let directory = ScriptDirectory::new();
    let settings = Settings { body_file_bytes: 0, ..directory.settings("rm $LONGSHORE_BODY_FILE") };
    assert_eq!(outcome_of(&exec(settings), message("")).await, Outcome::Done);
}
