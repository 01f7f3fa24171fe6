//! Single HTTP requests, each on a connection of its own.

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// Gets a page; returns its status and text.
pub(crate) async fn get(address: &str, path: &str) -> (u16, String) {
    get_with(address, path, &[]).await
}

/// Gets a page with headers; returns its status and text.
pub(crate) async fn get_with(address: &str, path: &str, headers: &[(&str, &str)]) -> (u16, String) {
    exchange(address, &format!("GET {path}"), "", headers).await
}

/// Posts a body; returns the status and text.
pub(crate) async fn post(address: &str, path: &str, body: &str) -> (u16, String) {
    post_with(address, path, body, &[]).await
}

/// Posts a body with headers; returns the status and text.
pub(crate) async fn post_with(
    address: &str,
    path: &str,
    body: &str,
    headers: &[(&str, &str)],
) -> (u16, String) {
    exchange(address, &format!("POST {path}"), body, headers).await
}

async fn exchange(address: &str, what: &str, body: &str, headers: &[(&str, &str)]) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let headers: Vec<_> = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let headers = headers.concat();
    let head = format!(
        "{what} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {length}\r\n{headers}Connection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body.to_owned())
}

/// The host and port of a URL.
pub(crate) fn authority(url: &str) -> &str {
    url.trim_start_matches("http://").split('/').next().unwrap()
}
