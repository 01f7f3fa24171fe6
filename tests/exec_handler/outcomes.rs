//! What a program's end, or its absence, means for the message.

use std::{fs, os::unix::fs::PermissionsExt as _};

use longshore::handler::{
    AnyHandler, Outcome,
    exec::{ExecHandler, Others, Settings},
};

use super::harness::{Place, down, exec, message, outcome_of, retried};

async fn meaning(settings: &Settings, code: u8) -> Outcome {
    outcome_of(&exec(settings.clone()), message(code.to_string())).await
}

/// Exits with the code that its body is.
const EXIT: &str = "read code; exit $code";

#[tokio::test]
async fn an_exit_code_has_the_meaning_of_its_default() {
    let settings = Place::new().settings(&EXIT.replace("read code", "code=$(cat)"));
    assert_eq!(meaning(&settings, 0).await, Outcome::Done);
    assert_eq!(meaning(&settings, 65).await, Outcome::Reject("the program exited with 65".to_owned()));
    for code in [75, 1, 2, 126, 127, 137, 255] {
        let expected = Outcome::Retry(format!("the program exited with {code}"));
        assert_eq!(meaning(&settings, code).await, expected);
    }
}

#[tokio::test]
async fn an_exit_code_has_the_meaning_that_is_configured() {
    let settings = Settings {
        done: vec![3, 4],
        reject: vec![5],
        retry: vec![0, 6],
        others: Others::Reject,
        ..Place::new().settings(&EXIT.replace("read code", "code=$(cat)"))
    };
    assert!(settings.validate().is_empty());
    for code in [3, 4] {
        assert_eq!(meaning(&settings, code).await, Outcome::Done);
    }
    for code in [5, 1, 75, 255] {
        assert!(matches!(meaning(&settings, code).await, Outcome::Reject(_)), "{code}");
    }
    for code in [0, 6] {
        assert!(matches!(meaning(&settings, code).await, Outcome::Retry(_)), "{code}");
    }
}

#[tokio::test]
async fn an_end_by_a_signal_is_a_retry_that_names_the_signal() {
    for (signal, name) in [("KILL", "SIGKILL"), ("SEGV", "SIGSEGV"), ("TERM", "SIGTERM")] {
        let exec = Place::new().exec(&format!("echo 'half done' >&2; kill -{signal} $$"));
        let reason = retried(outcome_of(&exec, message("")).await);
        assert_eq!(reason, format!("the program was ended by {name}: half done"));
    }
}

#[tokio::test]
async fn the_last_line_of_standard_error_is_part_of_the_reason() {
    let exec = Place::new().exec("echo no; echo out >&1; echo 'no such customer' >&2; echo >&2; exit 65");
    let reason = "the program exited with 65: no such customer".to_owned();
    assert_eq!(outcome_of(&exec, message("")).await, Outcome::Reject(reason));
}

#[tokio::test]
async fn a_program_that_is_not_there_means_down_until_it_is() {
    let place = Place::new();
    let program = place.file("job");
    let exec = exec(Settings::of_command([program.to_str().unwrap()]));
    let reason = down(outcome_of(&exec, message("")).await);
    assert!(reason.contains("no such program") && reason.contains("job"), "{reason}");
    assert_eq!(exec.probe().await.unwrap_err(), reason);
    place.write("job", "#!/bin/sh\nexit 0\n");
    let reason = down(outcome_of(&exec, message("")).await);
    assert!(reason.contains("not allowed to run") && reason.contains("chmod +x"), "{reason}");
    assert_eq!(exec.probe().await.unwrap_err(), reason);
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(exec.probe().await, Ok(()));
    assert_eq!(outcome_of(&exec, message("")).await, Outcome::Done);
}

#[tokio::test]
async fn a_program_that_the_system_refuses_is_tried_once_until_it_changes() {
    let place = Place::new();
    let program = place.file("job");
    let exec = exec(Settings::of_command([program.to_str().unwrap()]));
    for (text, words) in [("exit 0\n", "begin a script with #!"), ("#!/no/such/sh\n", "no such program")] {
        place.write("job", text);
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(exec.probe().await, Ok(()), "nothing can be seen of it yet");
        let reason = down(outcome_of(&exec, message("")).await);
        assert!(reason.contains(words), "{reason}");
        assert_eq!(exec.probe().await.unwrap_err(), reason);
    }
    place.write("job", "#!/bin/sh\nexit 0\n");
    assert_eq!(exec.probe().await, Ok(()));
    assert_eq!(outcome_of(&exec, message("")).await, Outcome::Done);
}

#[tokio::test]
async fn a_program_by_its_name_is_looked_for_in_the_path() {
    let place = Place::new();
    let named = |name: &str| {
        let handler = ExecHandler::new(Settings::of_command([name]), "orders").unwrap();
        AnyHandler::from(handler.search_path(Some(place.path().into())))
    };
    assert!(named("job").probe().await.unwrap_err().contains("no such program: job"));
    place.write("job", "#!/bin/sh\n");
    assert!(named("job").probe().await.unwrap_err().contains("not allowed to run: job"));
    fs::set_permissions(place.file("job"), fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(named("job").probe().await, Ok(()));
    let reason = down(outcome_of(&exec(Settings::of_command(["no-such-program"])), message("")).await);
    assert!(reason.contains("no such program: no-such-program"), "{reason}");
}

#[tokio::test]
async fn a_directory_that_is_not_there_means_down() {
    let place = Place::new();
    let nowhere = place.file("nowhere");
    let settings = Settings { directory: Some(nowhere.clone()), ..place.settings("pwd > here") };
    let handler = exec(settings.clone());
    let reason = down(outcome_of(&handler, message("")).await);
    assert!(reason.contains("nowhere"), "{reason}");
    assert_eq!(handler.probe().await.unwrap_err(), reason);
    fs::create_dir(&nowhere).unwrap();
    assert_eq!(handler.probe().await, Ok(()));
    assert_eq!(outcome_of(&handler, message("")).await, Outcome::Done);
    assert!(place.has("nowhere/here"), "the program runs elsewhere");
    let settings = Settings { temporary_directory: Some(place.file("no-room")), ..settings };
    assert!(exec(settings).probe().await.unwrap_err().contains("no-room"));
}

#[tokio::test]
async fn what_no_environment_can_hold_means_down() {
    let mut settings = Place::new().settings("exit 0");
    for number in 0..64 {
        settings.env.insert(format!("FILL_{number}"), "x".repeat(120_000));
    }
    let reason = down(outcome_of(&exec(settings), message("")).await);
    assert!(reason.contains("too large"), "{reason}");
}
