//! A TCP proxy in front of a server, which captures the traffic, and can withhold answers or close connections.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};

use super::tasks;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinHandle,
    time::sleep,
};

/// The treatment of connections, old and new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProxyMode {
    /// Forwards everything.
    Open,
    /// Accepts connections and requests, and withholds the answers.
    Silent,
    /// Forwards the answers after this time.
    Late(Duration),
    /// Closes the connections.
    Closed,
}

/// The bytes of both directions.
type Captured = Arc<Mutex<Vec<u8>>>;

/// A proxy in front of one server.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    mode: watch::Sender<ProxyMode>,
    captured: Captured,
    accepting: JoinHandle<()>,
}

impl Proxy {
    pub(crate) async fn before(server: &str) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let mode = watch::Sender::new(ProxyMode::Open);
        let captured = Captured::default();
        let (server, modes, capturing) = (server.to_owned(), mode.clone(), Arc::clone(&captured));
        let accepting = tasks::detach("proxy", async move {
            while let Ok((client, _)) = listener.accept().await {
                tasks::detach(
                    "connection",
                    carry(client, server.clone(), modes.subscribe(), Arc::clone(&capturing)),
                );
            }
        });
        Self { address, mode, captured, accepting }
    }

    /// Every captured value between this prefix and the next `end`.
    pub(crate) fn captured(&self, prefix: &str, end: char) -> Vec<String> {
        let captured = self.captured.lock().unwrap();
        let captured = String::from_utf8_lossy(&captured);
        let values = captured.split(prefix).skip(1).filter_map(|rest| rest.split(end).next());
        values.map(|value| value.trim_end().to_owned()).collect()
    }

    pub(crate) fn set_mode(&self, mode: ProxyMode) {
        self.mode.send_replace(mode);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn carry(client: TcpStream, server: String, mut mode: watch::Receiver<ProxyMode>, captured: Captured) {
    let Ok(server) = TcpStream::connect(server).await else { return };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let asking = pass(from_client, to_server, None, &captured);
    let answering = pass(from_server, to_client, Some(mode.clone()), &captured);
    // A closed direction ends both.
    tokio::select! {
        () = asking => {}
        () = answering => {}
        _ = mode.wait_for(|mode| *mode == ProxyMode::Closed) => {}
    }
}

/// Forwards bytes; with a mode, discards them while that is silent.
async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mode: Option<watch::Receiver<ProxyMode>>,
    captured: &Captured,
) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let Ok(length) = from.read(&mut buffer).await else { return };
        if length == 0 {
            return;
        }
        captured.lock().unwrap().extend_from_slice(&buffer[..length]);
        let mode = mode.as_ref().map(|mode| *mode.borrow());
        if let Some(ProxyMode::Late(by)) = mode {
            sleep(by).await;
        }
        if mode != Some(ProxyMode::Silent) && to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
