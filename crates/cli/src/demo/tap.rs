//! Stands between a client and its node and remembers every byte: what the node's host, and anybody on the wire, can see.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

const BUFFER_BYTES: usize = 16 * 1024;

/// A forwarder with a memory.
pub struct Tap {
    /// Where clients connect to.
    pub url: String,
    seen: Arc<Mutex<Vec<u8>>>,
    task: JoinHandle<()>,
}

impl Tap {
    /// Forwards connections to the HTTP server at `target`.
    ///
    /// # Errors
    /// `target` is no address, or no port is free.
    pub async fn start(target: &str) -> anyhow::Result<Self> {
        let target: SocketAddr = target.trim_start_matches("http://").parse()?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let memory = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let memory = Arc::clone(&memory);
                tokio::spawn(async move {
                    let Ok(node) = TcpStream::connect(target).await else { return };
                    let _ = (client.set_nodelay(true), node.set_nodelay(true));
                    let (from_client, to_client) = client.into_split();
                    let (from_node, to_node) = node.into_split();
                    tokio::join!(forward(from_client, to_node, &memory), forward(from_node, to_client, &memory));
                });
            }
        });
        Ok(Self { url, seen, task })
    }

    /// Everything that passed.
    pub fn seen(&self) -> Vec<u8> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn forward(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, memory: &Mutex<Vec<u8>>) {
    let mut buffer = vec![0; BUFFER_BYTES];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        let bytes = buffer.get(..count).unwrap_or_default();
        memory.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        if to.write_all(bytes).await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}
