//! A TCP proxy in front of a server, which listens to what is said, can fall silent and can hang up.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
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
};

/// What the proxy does with connections, old and new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    /// Carries everything.
    Open,
    /// Takes connections and requests, and gives no answer back.
    Silent,
    /// Hangs up.
    Closed,
}

/// What went through the proxy in either direction.
type Heard = Arc<Mutex<Vec<u8>>>;

/// A proxy in front of one server.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    mood: watch::Sender<Mood>,
    heard: Heard,
    accepting: JoinHandle<()>,
}

impl Proxy {
    pub(crate) async fn before(server: &str) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let mood = watch::Sender::new(Mood::Open);
        let heard = Heard::default();
        let (server, moods, listening) = (server.to_owned(), mood.clone(), Arc::clone(&heard));
        let accepting = tasks::detach("proxy", async move {
            while let Ok((client, _)) = listener.accept().await {
                tasks::detach(
                    "connection",
                    carry(client, server.clone(), moods.subscribe(), Arc::clone(&listening)),
                );
            }
        });
        Self { address, mood, heard, accepting }
    }

    /// Every value that was said between these words and the next `end`.
    pub(crate) fn heard(&self, words: &str, end: char) -> Vec<String> {
        let heard = self.heard.lock().unwrap();
        let heard = String::from_utf8_lossy(&heard);
        let values = heard.split(words).skip(1).filter_map(|rest| rest.split(end).next());
        values.map(|value| value.trim_end().to_owned()).collect()
    }

    pub(crate) fn turn(&self, mood: Mood) {
        self.mood.send_replace(mood);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn carry(client: TcpStream, server: String, mut mood: watch::Receiver<Mood>, heard: Heard) {
    let Ok(server) = TcpStream::connect(server).await else { return };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let asking = pass(from_client, to_server, None, &heard);
    let answering = pass(from_server, to_client, Some(mood.clone()), &heard);
    // Whoever hangs up ends both directions.
    tokio::select! {
        () = asking => {}
        () = answering => {}
        _ = mood.wait_for(|mood| *mood == Mood::Closed) => {}
    }
}

/// Passes bytes on; with a mood, it swallows them while that is silent.
async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mood: Option<watch::Receiver<Mood>>,
    heard: &Heard,
) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let Ok(length) = from.read(&mut buffer).await else { return };
        if length == 0 {
            return;
        }
        heard.lock().unwrap().extend_from_slice(&buffer[..length]);
        let is_silent = mood.as_ref().is_some_and(|mood| *mood.borrow() == Mood::Silent);
        if !is_silent && to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
