//! The outcomes of programs that end, and of those that cannot be started.

use std::{fs, os::unix::fs::PermissionsExt as _};

use longshore::handler::{
    AnyHandler, Outcome,
    exec::{ExecHandler, Others, Settings},
};

use super::harness::{ScriptDirectory, down, exec, message, outcome_of, retried};

async fn outcome_of_code(settings: &Settings, code: u8) -> Outcome {
    outcome_of(&exec(settings.clone()), message(code.to_string())).await
}

/// Exits with the code in the body.
const EXIT: &str = "read code; exit $code";

#[tokio::test]
async fn an_exit_code_has_the_meaning_of_its_default() {
    let settings = ScriptDirectory::new().settings(&EXIT.replace("read code", "code=$(cat)"));
    assert_eq!(outcome_of_code(&settings, 0).await, Outcome::Done);
    assert_eq!(
        outcome_of_code(&settings, 65).await,
        Outcome::Reject("the program exited with 65".to_owned())
    );
    for code in [75, 1, 2, 126, 127, 137, 255] {
        let expected = Outcome::Retry(format!("the program exited with {code}"));
        assert_eq!(outcome_of_code(&settings, code).await, expected);
    }
}

#[tokio::test]
async fn an_exit_code_has_the_meaning_that_is_configured() {
    let settings = Settings {
        done: vec![3, 4],
        reject: vec![5],
        retry: vec![0, 6],
        others: Others::Reject,
        ..ScriptDirectory::new().settings(&EXIT.replace("read code", "code=$(cat)"))
    };
    assert!(settings.validate().is_empty());
    for code in [3, 4] {
        assert_eq!(outcome_of_code(&settings, code).await, Outcome::Done);
    }
    for code in [5, 1, 75, 255] {
        assert!(matches!(outcome_of_code(&settings, code).await, Outcome::Reject(_)), "{code}");
    }
    for code in [0, 6] {
        assert!(matches!(outcome_of_code(&settings, code).await, Outcome::Retry(_)), "{code}");
    }
}

#[tokio::test]
async fn an_end_by_a_signal_is_a_retry_that_names_the_signal() {
    for (signal, name) in [("KILL", "SIGKILL"), ("SEGV", "SIGSEGV"), ("TERM", "SIGTERM")] {
        let exec = ScriptDirectory::new().exec(&format!("echo 'half done' >&2; kill -{signal} $$"));
        let reason = retried(outcome_of(&exec, message("")).await);
        assert_eq!(reason, format!("the program was ended by {name}: half done"));
    }
}

#[tokio::test]
async fn the_last_line_of_standard_error_is_part_of_the_reason() {
    let exec =
        ScriptDirectory::new().exec("echo no; echo out >&1; echo 'no such customer' >&2; echo >&2; exit 65");
    let reason = "the program exited with 65: no such customer".to_owned();
    assert_eq!(outcome_of(&exec, message("")).await, Outcome::Reject(reason));
}

#[tokio::test]
async fn a_program_that_does_not_exist_means_down_until_it_does() {
    let directory = ScriptDirectory::new();
    let program = directory.file("job");
    let exec = exec(Settings::of_command([program.to_str().unwrap()]));
    let reason = down(outcome_of(&exec, message("")).await);
    assert!(reason.contains("no such program") && reason.contains("job"), "{reason}");
    assert_eq!(exec.probe().await.unwrap_err(), reason);
    directory.write("job", "#!/bin/sh\nexit 0\n");
    let reason = down(outcome_of(&exec, message("")).await);
    assert!(reason.contains("not allowed to run") && reason.contains("chmod +x"), "{reason}");
    assert_eq!(exec.probe().await.unwrap_err(), reason);
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(exec.probe().await, Ok(()));
    assert_eq!(outcome_of(&exec, message("")).await, Outcome::Done);
}

#[tokio::test]
async fn a_program_that_the_system_refuses_is_tried_once_until_it_changes() {
    let directory = ScriptDirectory::new();
    let program = directory.file("job");
    let exec = exec(Settings::of_command([program.to_str().unwrap()]));
    for (text, message_part) in
        [("exit 0\n", "begin a script with #!"), ("#!/no/such/sh\n", "no such program")]
    {
        directory.write("job", text);
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(exec.probe().await, Ok(()), "only a start can find it");
        let reason = down(outcome_of(&exec, message("")).await);
        assert!(reason.contains(message_part), "{reason}");
        assert_eq!(exec.probe().await.unwrap_err(), reason);
    }
    directory.write("job", "#!/bin/sh\nexit 0\n");
    assert_eq!(exec.probe().await, Ok(()));
    assert_eq!(outcome_of(&exec, message("")).await, Outcome::Done);
}

#[tokio::test]
async fn a_program_by_its_name_is_searched_for_in_the_path() {
    let directory = ScriptDirectory::new();
    let named = |name: &str| {
        let handler = ExecHandler::new(Settings::of_command([name]), "orders").unwrap();
        AnyHandler::from(handler.search_path(Some(directory.path().into())))
    };
    assert!(named("job").probe().await.unwrap_err().contains("no such program: job"));
    directory.write("job", "#!/bin/sh\n");
    assert!(named("job").probe().await.unwrap_err().contains("not allowed to run: job"));
    fs::set_permissions(directory.file("job"), fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(named("job").probe().await, Ok(()));
    let reason = down(outcome_of(&exec(Settings::of_command(["no-such-program"])), message("")).await);
    assert!(reason.contains("no such program: no-such-program"), "{reason}");
}

#[tokio::test]
async fn a_directory_that_does_not_exist_means_down() {
    let directory = ScriptDirectory::new();
    let nowhere = directory.file("nowhere");
    let settings = Settings { directory: Some(nowhere.clone()), ..directory.settings("pwd > here") };
    let handler = exec(settings.clone());
    let reason = down(outcome_of(&handler, message("")).await);
    assert!(reason.contains("nowhere"), "{reason}");
    assert_eq!(handler.probe().await.unwrap_err(), reason);
    fs::create_dir(&nowhere).unwrap();
    assert_eq!(handler.probe().await, Ok(()));
    assert_eq!(outcome_of(&handler, message("")).await, Outcome::Done);
    assert!(directory.has("nowhere/here"), "the program runs elsewhere");
    let settings = Settings { temporary_directory: Some(directory.file("no-room")), ..settings };
    assert!(exec(settings).probe().await.unwrap_err().contains("no-room"));
}

#[tokio::test]
async fn an_environment_that_is_too_large_means_down() {
    let mut settings = ScriptDirectory::new().settings("exit 0");
    for number in 0..64 {
        settings.env.insert(format!("FILL_{number}"), "x".repeat(120_000));
    }
    let reason = down(outcome_of(&exec(settings), message("")).await);
    assert!(reason.contains("too large"), "{reason}");
}
