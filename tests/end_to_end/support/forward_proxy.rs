//! A forward proxy: tunnels for `CONNECT`, plain requests in absolute form, and Basic credentials on request.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
};

use super::tasks;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// A proxy that leads every request to one server, whatever host it names.
pub(crate) struct ForwardProxy {
    pub(crate) address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    serving: JoinHandle<()>,
}

#[derive(Clone)]
struct ProxyState {
    server: String,
    authorization: Option<&'static str>,
    /// The answer to every request, in place of the server's.
    refusal: Option<&'static str>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl ForwardProxy {
    /// Starts a proxy to the server at this address; `authorization` is the header that it demands.
    pub(crate) async fn to(server: &str, authorization: Option<&'static str>) -> Self {
        let state =
            ProxyState { server: server.to_owned(), authorization, refusal: None, requests: Arc::default() };
        Self::start(state).await
    }

    /// Starts a proxy that answers every request with this, such as `HTTP/1.1 403 Forbidden`.
    pub(crate) async fn refusing(status_line: &'static str) -> Self {
        let (server, requests) = (String::new(), Arc::default());
        Self::start(ProxyState { server, authorization: None, refusal: Some(status_line), requests }).await
    }

    async fn start(state: ProxyState) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = state.requests.clone();
        let serving = tasks::detach("forward proxy", async move {
            while let Ok((client, _)) = listener.accept().await {
                tasks::detach("proxied", serve(client, state.clone()));
            }
        });
        Self { address, requests, serving }
    }

    /// The first lines of the first requests of all connections.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

impl Drop for ForwardProxy {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(mut client: TcpStream, state: ProxyState) {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if client.read_buf(&mut head).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let text = String::from_utf8_lossy(&head).into_owned();
    let first = text.lines().next().unwrap_or_default().to_owned();
    state.requests.lock().unwrap().push(first.clone());
    let given = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("proxy-authorization").then(|| value.trim().to_owned())
    });
    if state.authorization.is_some_and(|wanted| given.as_deref() != Some(wanted)) {
        let refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n";
        client.write_all(refusal).await.unwrap_or_default();
        return;
    }
    if let Some(status_line) = state.refusal {
        let refusal = format!("{status_line}\r\nContent-Length: 6\r\nConnection: close\r\n\r\n<html>");
        client.write_all(refusal.as_bytes()).await.unwrap_or_default();
        return;
    }
    let Ok(mut server) = TcpStream::connect(&state.server).await else { return };
    let begun = if first.starts_with("CONNECT ") {
        client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await
    } else {
        server.write_all(&head).await
    };
    if begun.is_ok() {
        copy_bidirectional(&mut client, &mut server).await.unwrap_or_default();
    }
}
