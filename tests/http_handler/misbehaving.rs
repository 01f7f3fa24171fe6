//! Handlers that close the connection, hang, or are unreachable.

use std::{sync::Arc, time::Duration};

use longshore::{
    Message,
    duration::Span,
    handler::{AnyHandler, Outcome, http::Settings},
    message::BodyFile,
};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::harness::{Peer, http, http_with, message, outcome_of, url_of};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// Posts two messages, one after the other, on a connection that may be kept.
async fn both_are_done(http: &AnyHandler) {
    assert_eq!(outcome_of(http, message("1")).await, Outcome::Done);
    assert_eq!(outcome_of(http, message("2")).await, Outcome::Done);
}

/// The same if the second is to come again.
async fn only_the_first_is_done(http: &AnyHandler) {
    assert_eq!(outcome_of(http, message("1")).await, Outcome::Done);
    let outcome = outcome_of(http, message("2")).await;
    assert!(matches!(outcome, Outcome::Crashed(_)), "{outcome:?}");
}

#[tokio::test]
async fn a_refused_connection_means_down() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = url_of(&listener);
    drop(listener);
    let http = http(&url);
    let outcome = outcome_of(&http, message("{}")).await;
    assert!(matches!(&outcome, Outcome::Down(reason) if reason.contains("refused")), "{outcome:?}");
    assert!(http.probe().await.unwrap_err().contains("refused"));
}

#[tokio::test]
async fn a_name_that_does_not_resolve_means_down() {
    let http = http("http://worker.invalid:8080/");
    let outcome = outcome_of(&http, message("{}")).await;
    assert!(matches!(outcome, Outcome::Down(_)), "{outcome:?}");
    assert!(http.probe().await.is_err());
}

#[tokio::test]
async fn a_connection_that_takes_too_long_means_down() {
    let full = TcpSocket::new_v4().unwrap();
    full.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let full = full.listen(1).unwrap();
    // Linux queues one connection more than the backlog; further ones wait for an accept that never comes.
    let address = full.local_addr().unwrap();
    let _waiting = [TcpStream::connect(address).await.unwrap(), TcpStream::connect(address).await.unwrap()];
    let settings = Settings::new(url_of(&full)).unwrap();
    let http = http_with(Settings { connect_timeout: Span::millis(50), ..settings });
    let outcome = outcome_of(&http, message("{}")).await;
    assert!(matches!(&outcome, Outcome::Down(reason) if reason.contains("connect_timeout")), "{outcome:?}");
    let error = http.probe().await.unwrap_err();
    assert!(
        error.starts_with("no connection to the handler at http://") && error.ends_with(" within 50ms"),
        "{error}"
    );
}

#[tokio::test]
async fn a_probe_succeeds_once_the_handler_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    assert_eq!(http(&url_of(&listener)).probe().await, Ok(()));
}

#[tokio::test]
async fn a_handler_that_never_answers_is_retried_at_its_time_limit() {
    let mut peer = Peer::listen().await;
    let limit = Span::millis(50);
    let http = http_with(Settings { timeout: Some(limit), ..Settings::new(&peer.url).unwrap() });
    let (outcome, _open) = tokio::join!(outcome_of(&http, message("{}")), peer.accept_one_request());
    assert_eq!(outcome, Outcome::Retry("no complete answer from the handler within 50ms".to_owned()));
}

#[tokio::test]
async fn a_handler_that_never_ends_its_answer_is_retried_at_its_time_limit() {
    let mut peer = Peer::listen().await;
    let limit = Span::millis(50);
    let http = http_with(Settings { timeout: Some(limit), ..Settings::new(&peer.url).unwrap() });
    let answering = async {
        let mut connection = peer.accept_one_request().await;
        connection.answer("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok").await;
        connection
    };
    let (outcome, _open) = tokio::join!(outcome_of(&http, message("{}")), answering);
    assert!(matches!(outcome, Outcome::Retry(_)), "{outcome:?}");
}

#[tokio::test]
async fn a_handler_that_breaks_off_is_retried_and_posted_to_once() {
    for beginning in ["", "HTTP/1.1 200 OK\r\nContent-Le", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok"] {
        let mut peer = Peer::listen().await;
        let http = http(&peer.url);
        let breaking = async {
            peer.accept_one_request().await.answer(beginning).await;
            // The connection is closed here; a second post would come on another one.
            peer.expect_no_connection().await;
        };
        let (outcome, ()) = tokio::join!(outcome_of(&http, message("{}")), breaking);
        assert!(matches!(outcome, Outcome::Crashed(_)), "{beginning:?}: {outcome:?}");
    }
}

#[tokio::test]
async fn an_answer_that_is_not_http_is_retried() {
    let mut peer = Peer::listen().await;
    let http = http(&peer.url);
    let answering = async { peer.accept_one_request().await.answer("220 mail.example ESMTP\r\n").await };
    let (outcome, ()) = tokio::join!(outcome_of(&http, message("{}")), answering);
    assert!(matches!(outcome, Outcome::Crashed(_)), "{outcome:?}");
}

#[tokio::test]
async fn a_large_answer_is_done_before_its_end() {
    let mut peer = Peer::listen().await;
    let http = http(&peer.url);
    let answering = async {
        let mut connection = peer.accept_one_request().await;
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n";
        connection.answer(&format!("{head}{}", "x".repeat(100_000))).await;
        connection
    };
    let (outcome, _open) = tokio::join!(outcome_of(&http, message("{}")), answering);
    assert_eq!(outcome, Outcome::Done);
}

#[tokio::test]
async fn a_connection_is_kept_for_the_next_message() {
    let mut peer = Peer::listen().await;
    let http = http(&peer.url);
    let answering = async {
        let mut connection = peer.accept_one_request().await;
        connection.answer(OK).await;
        connection.read_request().await;
        connection.answer(OK).await;
    };
    tokio::join!(both_are_done(&http), answering);
}

#[tokio::test]
async fn a_kept_connection_that_the_handler_closed_costs_no_retry() {
    let mut peer = Peer::listen().await;
    let http = http(&peer.url);
    let (closed, wait_for_close) = tokio::sync::oneshot::channel();
    let answering = async {
        peer.accept_one_request().await.answer(OK).await;
        closed.send(()).unwrap();
        peer.accept_one_request().await.answer(OK).await;
    };
    let calling = async {
        assert_eq!(outcome_of(&http, message("1")).await, Outcome::Done);
        wait_for_close.await.unwrap();
        assert_eq!(outcome_of(&http, message("2")).await, Outcome::Done);
    };
    tokio::join!(calling, answering);
}

#[tokio::test]
async fn a_kept_connection_that_closes_under_a_post_costs_no_retry() {
    let mut peer = Peer::listen().await;
    let http = http(&peer.url);
    let answering = async {
        let mut connection = peer.accept_one_request().await;
        connection.answer(OK).await;
        connection.read_request().await;
        drop(connection);
        peer.accept_one_request().await.answer(OK).await;
    };
    tokio::join!(both_are_done(&http), answering);
}

#[tokio::test]
async fn a_body_in_a_file_has_its_length_and_is_posted_again_on_a_stale_connection() {
    let mut peer = Peer::listen().await;
    let http = http(&peer.url);
    let file = tempfile::NamedTempFile::new().unwrap().into_temp_path().keep().unwrap();
    std::fs::write(&file, vec![0xff; 100_000]).unwrap();
    let body_file = Some(Arc::new(BodyFile::new(file.clone(), 100_000)));
    let in_file = Message { body_file, ..message("") };
    let calling = async {
        assert_eq!(outcome_of(&http, message("1")).await, Outcome::Done);
        assert_eq!(outcome_of(&http, in_file).await, Outcome::Done);
    };
    let answering = async {
        let mut connection = peer.accept_one_request().await;
        connection.answer(OK).await;
        connection.reset_at_a_request().await;
        let mut connection = peer.accept().await;
        assert!(connection.read_request().await.contains("Content-Length: 100000\r\n"));
        connection.answer(OK).await;
    };
    tokio::join!(calling, answering);
    assert!(!file.exists(), "it is removed with its message");
}

#[tokio::test]
async fn a_kept_connection_that_answers_nonsense_is_not_posted_to_again() {
    let mut peer = Peer::listen().await;
    let http = http(&peer.url);
    let answering = async {
        let mut connection = peer.accept_one_request().await;
        connection.answer(OK).await;
        connection.read_request().await;
        connection.answer("220 mail.example ESMTP\r\n").await;
        peer.expect_no_connection().await;
    };
    tokio::join!(only_the_first_is_done(&http), answering);
}

#[tokio::test]
async fn a_post_is_repeated_once_at_most() {
    let mut peer = Peer::listen().await;
    let http = http(&peer.url);
    let answering = async {
        let mut connection = peer.accept_one_request().await;
        connection.answer(OK).await;
        connection.read_request().await;
        drop(connection);
        drop(peer.accept_one_request().await);
        peer.expect_no_connection().await;
    };
    tokio::join!(only_the_first_is_done(&http), answering);
}

#[tokio::test]
async fn a_kept_connection_that_is_reset_under_a_post_costs_no_retry() {
    let mut peer = Peer::listen().await;
    let http = http(&peer.url);
    let answering = async {
        let mut connection = peer.accept_one_request().await;
        connection.answer(OK).await;
        connection.reset_at_a_request().await;
        peer.accept_one_request().await.answer(OK).await;
    };
    tokio::join!(both_are_done(&http), answering);
}

#[tokio::test]
async fn a_kept_connection_that_breaks_later_is_not_posted_to_again() {
    let mut peer = Peer::listen().await;
    let http = http(&peer.url);
    let answering = async {
        let mut connection = peer.accept_one_request().await;
        connection.answer(OK).await;
        connection.read_request().await;
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        drop(connection);
        peer.expect_no_connection().await;
    };
    tokio::join!(only_the_first_is_done(&http), answering);
}

#[tokio::test]
async fn a_handler_restarted_between_two_messages_costs_no_retry() {
    let mut first = Peer::listen().await;
    let (http, address) = (http(&first.url), first.address);
    let answering = async { first.accept_one_request().await.answer(OK).await };
    let (outcome, ()) = tokio::join!(outcome_of(&http, message("1")), answering);
    assert_eq!(outcome, Outcome::Done);
    drop(first);
    let mut second = Peer::listen_at(address).await;
    let answering = async { second.accept_one_request().await.answer(OK).await };
    let (outcome, ()) = tokio::join!(outcome_of(&http, message("2")), answering);
    assert_eq!(outcome, Outcome::Done);
}

#[tokio::test]
async fn a_dropped_call_closes_its_connection() {
    let mut peer = Peer::listen().await;
    let http = http(&peer.url);
    let call = outcome_of(&http, message("{}"));
    let (abort, registration) = futures_util::future::AbortHandle::new_pair();
    let aborted = futures_util::future::Abortable::new(call, registration);
    let watching = async {
        let mut connection = peer.accept_one_request().await;
        abort.abort();
        connection.expect_close().await;
    };
    let (outcome, ()) = tokio::join!(aborted, watching);
    assert!(outcome.is_err());
}

#[tokio::test]
async fn header_names_are_spelled_as_sqsd_spells_them() {
    let mut peer = Peer::listen().await;
    let http = http(&peer.url);
    let answering = async {
        let mut connection = peer.accept().await;
        let head = connection.read_request().await;
        connection.answer(OK).await;
        head
    };
    let (_, head) = tokio::join!(outcome_of(&http, message("{}")), answering);
    assert!(head.contains("X-Aws-Sqsd-Msgid: message-1") && head.contains("Content-Type: "), "{head}");
}
