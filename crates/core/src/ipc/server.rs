//! Serves many peers at once within fixed bounds.
//!
//! Where a bound is reached, reading stops and the peer's own socket fills up: nothing is buffered without end, nothing is
//! lost. A connection that is refused or misbehaves affects nobody else.

use super::{
    code,
    endpoint::{Listener, Socket},
    general_error,
    zmtp::{self, ConnectionError, Envelope, Incoming},
};
use std::{future::Future, io, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite, BufWriter},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::timeout,
};

/// Connections at a time: a node keeps a few; the rest is for tools, and a bound on what one machine can hold open.
const MAX_CONNECTIONS: usize = 128;
/// Requests of one connection that are not answered yet; a REQ socket has one.
const MAX_UNANSWERED: usize = 64;
/// Requests that the handler works on at a time. More than the processors, because a commit waits for the disk.
const MAX_RUNNING: usize = 32;
/// Bytes of the requests that the handler works on: reading hostile JSON takes about ten times its length.
const MAX_RUNNING_BYTES: usize = 64 << 20;
/// Bytes of all requests that are not answered yet.
const MAX_UNANSWERED_BYTES: usize = 256 << 20;
/// What a request counts for beyond its bytes.
const REQUEST_OVERHEAD_BYTES: usize = 4 << 10;
/// Time for greeting and READY, so that silent connections do not use up [`MAX_CONNECTIONS`].
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Time for a body whose header has arrived, and for a reply to leave.
const TRANSFER_TIMEOUT: Duration = Duration::from_secs(60);
/// Pause after the system refused a connection (too many open files, for example).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What all connections share.
struct Shared<H> {
    handler: H,
    running_bytes: Arc<Semaphore>,
    unanswered_bytes: Arc<Semaphore>,
}

struct Reply {
    envelope: Envelope,
    body: Vec<u8>,
    /// Held until the reply has left: what a peer does not read counts against it.
    _unanswered: OwnedSemaphorePermit,
}

/// Answers every message that reaches `listener` with what `handler` makes of its body, until `stop` completes.
///
/// Requests of different connections, and several of one DEALER, run at the same time.
pub async fn serve<H>(listener: Listener, handler: H, stop: impl Future<Output = ()>)
where
    H: Fn(&[u8]) -> Vec<u8> + Send + Sync + 'static,
{
    let shared = Arc::new(Shared {
        handler,
        running_bytes: Arc::new(Semaphore::new(MAX_RUNNING_BYTES)),
        unanswered_bytes: Arc::new(Semaphore::new(MAX_UNANSWERED_BYTES)),
    });
    tokio::select! {
        () = accept(&listener, &shared) => {}
        () = stop => {}
    }
}

async fn accept<H>(listener: &Listener, shared: &Arc<Shared<H>>)
where
    H: Fn(&[u8]) -> Vec<u8> + Send + Sync + 'static,
{
    let connections = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        if connections.available_permits() == 0 {
            tracing::warn!("{MAX_CONNECTIONS} connections are open: further ones wait until one closes");
        }
        let Ok(permit) = connections.clone().acquire_owned().await else { return };
        let accepted = match &listener.socket {
            Socket::Tcp(socket) => socket.accept().await.and_then(|(stream, _)| {
                stream.set_nodelay(true)?;
                let (read, write) = stream.into_split();
                spawn(permit, shared, read, write);
                Ok(())
            }),
            Socket::Ipc(socket) => socket.accept().await.map(|(stream, _)| {
                let (read, write) = stream.into_split();
                spawn(permit, shared, read, write);
            }),
        };
        if let Err(error) = accepted {
            tracing::warn!(%error, "a connection was not accepted");
            tokio::time::sleep(ACCEPT_PAUSE).await;
        }
    }
}

fn spawn<H, R, W>(permit: OwnedSemaphorePermit, shared: &Arc<Shared<H>>, read: R, write: W)
where
    H: Fn(&[u8]) -> Vec<u8> + Send + Sync + 'static,
    R: AsyncRead + Unpin + Send + 'static,
    W: AsyncWrite + Unpin + Send + 'static,
{
    let shared = shared.clone();
    tokio::spawn(async move {
        if let Err(error) = connection(shared, read, write).await {
            tracing::debug!(%error, "a connection ended");
        }
        drop(permit);
    });
}

async fn connection<H, R, W>(shared: Arc<Shared<H>>, read: R, write: W) -> Result<(), ConnectionError>
where
    H: Fn(&[u8]) -> Vec<u8> + Send + Sync + 'static,
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut write = BufWriter::new(write);
    let reader = timeout(HANDSHAKE_TIMEOUT, zmtp::handshake(read, &mut write)).await.map_err(io::Error::from)??;
    let (replies, outgoing) = mpsc::channel(MAX_UNANSWERED);
    // A peer that has stopped sending still gets its replies; one that has stopped reading ends the connection.
    tokio::try_join!(receive(shared, reader, replies), transmit(outgoing, &mut write)).map(|_| ())
}

async fn receive<H, R>(
    shared: Arc<Shared<H>>,
    mut reader: zmtp::Reader<R>,
    replies: mpsc::Sender<Reply>,
) -> Result<(), ConnectionError>
where
    H: Fn(&[u8]) -> Vec<u8> + Send + Sync + 'static,
    R: AsyncRead + Unpin,
{
    let unanswered = Arc::new(Semaphore::new(MAX_UNANSWERED));
    loop {
        let permit = acquire(&unanswered, 1).await?;
        let Some(incoming) = reader.next().await? else { return Ok(()) };
        match incoming {
            Incoming::Refused { envelope, code, reason, rest } => {
                // The reply goes first: a body of 2^40 bytes may never end.
                let body = general_error(code, reason);
                let _ = replies.send(Reply { envelope, body, _unanswered: permit }).await;
                reader.skip(rest).await?;
            }
            Incoming::Request { envelope, body_bytes } => {
                let budget = acquire(&shared.unanswered_bytes, body_bytes + REQUEST_OVERHEAD_BYTES).await?;
                let body = timeout(TRANSFER_TIMEOUT, reader.body(body_bytes)).await.map_err(io::Error::from)??;
                let (shared, replies) = (shared.clone(), replies.clone());
                tokio::spawn(async move {
                    let body = answer(&shared, body).await;
                    drop(budget);
                    let _ = replies.send(Reply { envelope, body, _unanswered: permit }).await;
                });
            }
        }
    }
}

/// Waits for room under a bound.
async fn acquire(bound: &Arc<Semaphore>, amount: usize) -> io::Result<OwnedSemaphorePermit> {
    let amount = u32::try_from(amount).map_err(io::Error::other)?;
    bound.clone().acquire_many_owned(amount).await.map_err(io::Error::other)
}

async fn transmit<W: AsyncWrite + Unpin>(
    mut outgoing: mpsc::Receiver<Reply>,
    write: &mut W,
) -> Result<(), ConnectionError> {
    while let Some(reply) = outgoing.recv().await {
        timeout(TRANSFER_TIMEOUT, zmtp::send(write, &reply.envelope, &reply.body)).await.map_err(io::Error::from)??;
    }
    Ok(())
}

async fn answer<H>(shared: &Arc<Shared<H>>, body: Vec<u8>) -> Vec<u8>
where
    H: Fn(&[u8]) -> Vec<u8> + Send + Sync + 'static,
{
    let running = acquire(&shared.running_bytes, body.len().max(MAX_RUNNING_BYTES / MAX_RUNNING)).await;
    let worker = shared.clone();
    let answered = tokio::task::spawn_blocking(move || (worker.handler)(&body)).await;
    drop(running);
    answered.unwrap_or_else(|_| {
        tracing::error!("a request ended in a panic: this is a defect, please report it");
        general_error(code::INTERNAL, "this request met a defect of enigma-core, which its log reports".into())
    })
}
