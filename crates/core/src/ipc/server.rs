//! Serves many peers at once within fixed bounds.
//!
//! Where a bound is reached, reading stops and the peer's own socket fills up: nothing is buffered without end, nothing is
//! lost. A connection that is refused or misbehaves affects nobody else.
//!
//! Computations and reads have rooms of their own ([`Pool`]): however many computations run or wait, a read is answered. Who
//! waits for room longer than [`MAX_WAIT`] is told so.

use super::{
    Pool, Service, code,
    endpoint::{Listener, Socket},
    general_error,
    zmtp::{self, ConnectionError, Envelope, Incoming},
};
use std::{future::Future, io, num::NonZero, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite, BufWriter},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch},
    time::timeout,
};

/// Connections at a time: a node keeps a few; the rest is for tools, and a bound on what one machine can hold open.
const MAX_CONNECTIONS: usize = 128;
/// Requests of one connection that are not answered yet; a REQ socket has one, a node's DEALER as many as it likes.
const MAX_UNANSWERED: usize = 1024;
/// Computations that wait for the disk, at a time, beside one for each processor.
const MAX_COMMITTING: usize = 32;
/// Reads at a time; each is a few look-ups.
const MAX_READS: usize = 8;
/// Bytes of the large requests that are worked on at a time: what is read from JSON takes about as much again.
const MAX_RUNNING_BYTES: usize = 64 << 20;
/// From here on a request is large. No read is: it names at most 1,024 items.
const LARGE_BYTES: usize = 128 << 10;
/// Bytes of all large requests that are not answered yet.
const MAX_LARGE_BYTES: usize = 256 << 20;
/// Bytes of all other requests that are not answered yet.
const MAX_SMALL_BYTES: usize = 64 << 20;
/// What a request counts for beyond its bytes.
const REQUEST_OVERHEAD_BYTES: usize = 4 << 10;
/// Bytes of replies that a connection has not taken, from which on none of its requests is read or begun.
const MAX_UNSENT_BYTES: usize = 16 << 20;
/// Longest time that a request waits for its turn.
#[cfg(not(test))]
const MAX_WAIT: Duration = Duration::from_secs(30);
#[cfg(test)]
const MAX_WAIT: Duration = Duration::from_secs(2);
/// Time for greeting and READY, so that silent connections do not use up [`MAX_CONNECTIONS`].
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Time for a body whose header has arrived, and for a reply to leave.
const TRANSFER_TIMEOUT: Duration = Duration::from_secs(60);
/// Pause after the system refused a connection (too many open files, for example).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What all connections share.
struct Shared<S> {
    service: S,
    computations: Arc<Semaphore>,
    reads: Arc<Semaphore>,
    running_bytes: Arc<Semaphore>,
    large_bytes: Arc<Semaphore>,
    small_bytes: Arc<Semaphore>,
}

struct Reply {
    envelope: Envelope,
    body: Vec<u8>,
    /// Held until the reply has left: what a peer does not read counts against it.
    _unanswered: OwnedSemaphorePermit,
}

/// Replies of one connection on their way out.
#[derive(Clone)]
struct Outgoing {
    replies: mpsc::Sender<Reply>,
    unsent_bytes: Arc<watch::Sender<usize>>,
}

impl Outgoing {
    /// Waits until the peer has taken most of its replies.
    async fn room(&self) -> io::Result<()> {
        let room = self.unsent_bytes.subscribe().wait_for(|unsent| *unsent < MAX_UNSENT_BYTES).await.map(|_| ());
        room.map_err(io::Error::other)
    }

    async fn send(&self, reply: Reply) {
        self.unsent_bytes.send_modify(|bytes| *bytes += reply.body.len());
        // The connection may have ended; then nobody waits for the reply.
        let _ = self.replies.send(reply).await;
    }
}

/// Answers every message that reaches `listener` with what `service` makes of its body, until `stop` completes.
///
/// Requests of different connections, and several of one DEALER, run at the same time.
pub async fn serve<S: Service>(listener: Listener, service: S, stop: impl Future<Output = ()>) {
    let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
    let shared = Arc::new(Shared {
        service,
        computations: Arc::new(Semaphore::new(processors + MAX_COMMITTING)),
        reads: Arc::new(Semaphore::new(MAX_READS)),
        running_bytes: Arc::new(Semaphore::new(MAX_RUNNING_BYTES)),
        large_bytes: Arc::new(Semaphore::new(MAX_LARGE_BYTES)),
        small_bytes: Arc::new(Semaphore::new(MAX_SMALL_BYTES)),
    });
    tokio::select! {
        () = accept(&listener, &shared) => {}
        () = stop => {}
    }
}

async fn accept<S: Service>(listener: &Listener, shared: &Arc<Shared<S>>) {
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

fn spawn<S, R, W>(permit: OwnedSemaphorePermit, shared: &Arc<Shared<S>>, read: R, write: W)
where
    S: Service,
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

async fn connection<S, R, W>(shared: Arc<Shared<S>>, read: R, write: W) -> Result<(), ConnectionError>
where
    S: Service,
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut write = BufWriter::new(write);
    let reader = timeout(HANDSHAKE_TIMEOUT, zmtp::handshake(read, &mut write)).await.map_err(io::Error::from)??;
    let (replies, queue) = mpsc::channel(MAX_UNANSWERED);
    let unsent_bytes = Arc::new(watch::Sender::new(0));
    let outgoing = Outgoing { replies, unsent_bytes: unsent_bytes.clone() };
    // A peer that has stopped sending still gets its replies; one that has stopped reading ends the connection.
    tokio::try_join!(receive(shared, reader, outgoing), transmit(queue, &unsent_bytes, &mut write)).map(|_| ())
}

async fn receive<S, R>(
    shared: Arc<Shared<S>>,
    mut reader: zmtp::Reader<R>,
    outgoing: Outgoing,
) -> Result<(), ConnectionError>
where
    S: Service,
    R: AsyncRead + Unpin,
{
    let unanswered = Arc::new(Semaphore::new(MAX_UNANSWERED));
    loop {
        let permit = acquire(&unanswered, 1).await?;
        outgoing.room().await?;
        let Some(incoming) = reader.next().await? else { return Ok(()) };
        match incoming {
            Incoming::Refused { envelope, code, reason, rest } => {
                // The reply goes first: a body of 2^40 bytes may never end.
                let body = general_error(code, reason);
                outgoing.send(Reply { envelope, body, _unanswered: permit }).await;
                reader.skip(rest).await?;
            }
            Incoming::Request { envelope, body_bytes } => {
                let bound = if body_bytes > LARGE_BYTES { &shared.large_bytes } else { &shared.small_bytes };
                let budget = acquire(bound, body_bytes + REQUEST_OVERHEAD_BYTES).await?;
                let body = timeout(TRANSFER_TIMEOUT, reader.body(body_bytes)).await.map_err(io::Error::from)??;
                let (shared, outgoing) = (shared.clone(), outgoing.clone());
                tokio::spawn(async move {
                    let body = answer(&shared, &outgoing, body).await;
                    drop(budget);
                    outgoing.send(Reply { envelope, body, _unanswered: permit }).await;
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
    mut queue: mpsc::Receiver<Reply>,
    unsent_bytes: &watch::Sender<usize>,
    write: &mut W,
) -> Result<(), ConnectionError> {
    while let Some(reply) = queue.recv().await {
        timeout(TRANSFER_TIMEOUT, zmtp::send(write, &reply.envelope, &reply.body)).await.map_err(io::Error::from)??;
        unsent_bytes.send_modify(|bytes| *bytes = bytes.saturating_sub(reply.body.len()));
    }
    Ok(())
}

/// Waits until a request may begin; what it holds while it runs.
async fn turn<S: Service>(
    shared: &Shared<S>,
    outgoing: &Outgoing,
    body: &[u8],
) -> io::Result<[OwnedSemaphorePermit; 2]> {
    outgoing.room().await?;
    // Not asked about large requests: to look for their type takes as long as a read.
    let pool = if body.len() > LARGE_BYTES { Pool::Computations } else { shared.service.pool(body) };
    let (room, bytes) = match pool {
        Pool::Computations => (&shared.computations, body.len()),
        Pool::Reads => (&shared.reads, 0),
    };
    Ok([acquire(&shared.running_bytes, bytes).await?, acquire(room, 1).await?])
}

async fn answer<S: Service>(shared: &Arc<Shared<S>>, outgoing: &Outgoing, body: Vec<u8>) -> Vec<u8> {
    let Ok(Ok(turn)) = timeout(MAX_WAIT, turn(shared, outgoing, &body)).await else {
        return shared.service.busy(&body);
    };
    let worker = shared.clone();
    let (leave, left) = oneshot::channel();
    let answered = tokio::task::spawn_blocking(move || {
        // No thread waits for the disk: the one that commits says when the reply may leave.
        worker.service.answer(&body).when_durable(move |reply| drop(leave.send(reply)));
    });
    let reply = match answered.await {
        Ok(()) => left.await.ok(),
        Err(_) => None,
    };
    drop(turn);
    reply.unwrap_or_else(|| {
        tracing::error!("a request ended in a panic: this is a defect, please report it");
        general_error(code::INTERNAL, "this request met a defect of enigma-core, which its log reports".into())
    })
}
