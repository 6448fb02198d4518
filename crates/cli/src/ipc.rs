//! The node's end of the ZeroMQ link to its core, and nothing else of this crate knows ZeroMQ.
//!
//! A DEALER socket that behaves like many REQ sockets at once: each request is an empty delimiter and one JSON frame, several
//! may be under way, and a reply is matched by the `id` that the core echoes. The socket of the library does not reconnect, so
//! [`start`] opens a new one for every connection and tells the mind [`Input::CoreConnected`] and [`Input::CoreLost`]; requests
//! that were under way are lost with the connection, and the mind asks again.
//!
//! A core that leaves a request unanswered for longer than its timeout counts as lost. Deliberately absent: retries of single
//! requests, and any opinion about what the core says.

use crate::backoff::Backoff;
use enigma_node::{Input, RequestId};
use enigma_protocol::{
    ipc::{Encoding, Failure, Options, ReplyFrame, Request, RequestFrame, Response},
    limits::MAX_MESSAGE_BYTES,
};
use futures::{StreamExt, channel::mpsc as futures_mpsc};
use serde::Deserialize;
use std::{collections::BTreeMap, time::Duration};
use tokio::{sync::mpsc, task::JoinHandle, time::Instant};
use tracing::{info, warn};
use zeromq::{DealerSocket, Socket, SocketEvent, SocketOptions, SocketRecv, SocketSend, ZmqError, ZmqMessage};

/// Requests of the mind that wait to be sent.
const REQUEST_QUEUE: usize = 1024;
/// Requests that wait for their answer.
const MAX_PENDING: usize = 1024;
/// A task may compute for as long as its gas allows.
pub const COMPUTE_TIMEOUT: Duration = Duration::from_secs(180);
/// Everything else is answered from the core's store.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const FIRST_RECONNECT: Duration = Duration::from_millis(50);
const LAST_RECONNECT: Duration = Duration::from_secs(1);

/// Code of a reply that this node cannot read; see `spec/ipc.md`.
const CODE_MALFORMED: u16 = 1;
/// Code of a reply above [`MAX_MESSAGE_BYTES`].
const CODE_TOO_LARGE: u16 = 4;

/// Why a core gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nobody is there.
    #[error("cannot connect to the core at {endpoint}: {reason}")]
    Unreachable {
        /// Where.
        endpoint: String,
        /// In words.
        reason: String,
    },
    /// It was there and is gone.
    #[error("the core closed the connection")]
    Lost,
    /// It did not answer in time.
    #[error("the core did not answer within {} seconds", .0.as_secs())]
    Timeout(Duration),
    /// It answered with an error.
    #[error("the core refused: {}", .0.msg)]
    Refused(Failure),
    /// The question or the answer breaks the rules of the link.
    #[error("{0}")]
    Malformed(&'static str),
}

/// The queue to the core.
pub struct Core(mpsc::Sender<(RequestId, Request)>);

impl Core {
    /// Queues a request.
    ///
    /// # Errors
    /// The request's id when the queue is full.
    pub fn ask(&self, id: RequestId, request: Request) -> Result<(), RequestId> {
        self.0.try_send((id, request)).map_err(|_| id)
    }
}

/// Asks one question over a connection of its own.
///
/// # Errors
/// [`AskError`].
pub async fn ask_once(endpoint: &str, request: Request) -> Result<Response, AskError> {
    let timeout = timeout_of(&request);
    let ask = async {
        let mut connection = Connection::open(endpoint).await?;
        connection.send("1", request).await?;
        loop {
            match connection.receive().await?.map(|reply| reply.1) {
                Some(ReplyFrame::Response(frame)) => return Ok(frame.response),
                Some(ReplyFrame::Failure(failure)) => return Err(AskError::Refused(failure)),
                None => {}
            }
        }
    };
    tokio::time::timeout(timeout, ask).await.map_err(|_| AskError::Timeout(timeout))?
}

/// Keeps a connection to the core at `endpoint` and reports to `inputs`; ends when the [`Core`] is dropped.
pub fn start(endpoint: String, inputs: mpsc::Sender<Input>) -> (Core, JoinHandle<()>) {
    let (sender, queue) = mpsc::channel(REQUEST_QUEUE);
    let link = Link { endpoint, inputs, queue };
    (Core(sender), tokio::spawn(link.run()))
}

fn timeout_of(request: &Request) -> Duration {
    match request {
        Request::DeploySecretContract { .. } | Request::ComputeTask { .. } | Request::Query { .. } => COMPUTE_TIMEOUT,
        Request::GetRegistrationParams { .. }
        | Request::GetTip { .. }
        | Request::GetTips { .. }
        | Request::GetAllTips {}
        | Request::GetAllAddrs {}
        | Request::GetDelta { .. }
        | Request::GetDeltas { .. }
        | Request::GetContract { .. }
        | Request::GetSnapshot { .. }
        | Request::UpdateNewContract { .. }
        | Request::UpdateNewContractOnDeployment { .. }
        | Request::RemoveContract { .. }
        | Request::UpdateDeltas { .. }
        | Request::RemoveDeltas { .. }
        | Request::AdvanceQueue { .. }
        | Request::GetPTTRequest { .. }
        | Request::PTTResponse { .. }
        | Request::NewTaskEncryptionKey { .. }
        | Request::SignBatch { .. }
        | Request::SetLedgerView { .. }
        | Request::AnswerPTTRequest { .. }
        | Request::SignEpoch { .. } => ANSWER_TIMEOUT,
    }
}

struct Link {
    endpoint: String,
    inputs: mpsc::Sender<Input>,
    queue: mpsc::Receiver<(RequestId, Request)>,
}

impl Link {
    async fn run(mut self) {
        let mut backoff = Backoff::new(FIRST_RECONNECT, LAST_RECONNECT);
        while !self.queue.is_closed() {
            match Connection::open(&self.endpoint).await {
                Ok(connection) => {
                    backoff.reset();
                    self.serve(connection).await;
                }
                Err(error) => {
                    let pause = backoff.pause();
                    warn!(%error, ?pause, "the core is not reachable");
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }

    async fn serve(&mut self, mut connection: Connection) {
        // What was asked before the connection was lost, the mind asks again.
        while self.queue.try_recv().is_ok() {}
        info!(endpoint = %self.endpoint, "connected to the core");
        let _ = self.inputs.send(Input::CoreConnected).await;
        let reason = self.exchange(&mut connection).await;
        if let Some(reason) = reason {
            warn!(%reason, "the connection to the core is lost");
            let _ = self.inputs.send(Input::CoreLost).await;
        }
    }

    /// Until the connection is lost, or the queue is closed (`None`).
    async fn exchange(&mut self, connection: &mut Connection) -> Option<AskError> {
        let mut pending: BTreeMap<u64, (Instant, Duration)> = BTreeMap::new();
        loop {
            let earliest = pending.values().min().copied();
            let expiry = earliest.map_or_else(Instant::now, |(deadline, _)| deadline);
            tokio::select! {
                request = self.queue.recv(), if pending.len() < MAX_PENDING => {
                    let (RequestId(id), request) = request?;
                    let timeout = timeout_of(&request);
                    match connection.send(&id.to_string(), request).await {
                        Ok(()) => {
                            pending.insert(id, (Instant::now() + timeout, timeout));
                        }
                        Err(AskError::Malformed(reason)) => self.refuse(id, CODE_TOO_LARGE, reason).await,
                        Err(error) => return Some(error),
                    }
                }
                reply = connection.receive() => match reply {
                    Ok(Some((id, reply))) => {
                        if pending.remove(&id).is_some() {
                            let _ = self.inputs.send(Input::Core(RequestId(id), reply)).await;
                        }
                    }
                    Ok(None) => warn!("the core sent what answers no request"),
                    Err(error) => return Some(error),
                },
                () = tokio::time::sleep_until(expiry), if earliest.is_some() => {
                    return earliest.map(|(_, timeout)| AskError::Timeout(timeout));
                }
            }
        }
    }

    async fn refuse(&self, id: u64, code: u16, reason: &str) {
        let _ = self.inputs.send(Input::Core(RequestId(id), failure(id, code, reason))).await;
    }
}

fn failure(id: u64, code: u16, reason: &str) -> ReplyFrame {
    ReplyFrame::Failure(Failure {
        id: id.to_string(),
        request_type: "Error".to_owned(),
        msg: reason.to_owned(),
        code: Some(code),
    })
}

/// One socket with one peer.
struct Connection {
    socket: DealerSocket,
    events: futures_mpsc::Receiver<SocketEvent>,
}

impl Connection {
    async fn open(endpoint: &str) -> Result<Self, AskError> {
        let unreachable =
            |error: ZmqError| AskError::Unreachable { endpoint: endpoint.to_owned(), reason: error.to_string() };
        let mut options = SocketOptions::default();
        options.connect_timeout(CONNECT_TIMEOUT);
        let mut socket = DealerSocket::with_options(options);
        let events = socket.monitor();
        socket.connect(endpoint).await.map_err(unreachable)?;
        Ok(Self { socket, events })
    }

    async fn send(&mut self, id: &str, request: Request) -> Result<(), AskError> {
        // Large fields of the reply in a form that takes half the room and a fraction of the memory to read.
        let options = Options { encoding: Some(Encoding::Hex), ..Options::default() };
        let frame = serde_json::to_vec(&RequestFrame { options, ..RequestFrame::new(id, request) })
            .map_err(|_| AskError::Malformed("the request cannot be written as JSON"))?;
        if frame.len() > MAX_MESSAGE_BYTES {
            return Err(AskError::Malformed("the request exceeds the bound of a frame"));
        }
        let mut message = ZmqMessage::from(frame);
        message.prepend(&ZmqMessage::from(Vec::new()));
        self.socket.send(message).await.map_err(|_| AskError::Lost)
    }

    /// The next reply with its id; `None` for a message without one. Nothing is lost when the future is dropped.
    async fn receive(&mut self) -> Result<Option<(u64, ReplyFrame)>, AskError> {
        loop {
            tokio::select! {
                message = self.socket.recv() => {
                    let message = message.map_err(|_| AskError::Lost)?;
                    return Ok(message.into_vec().last().and_then(|frame| parse(frame)));
                }
                event = self.events.next() => match event {
                    Some(SocketEvent::Disconnected(_)) | None => return Err(AskError::Lost),
                    Some(_) => {}
                },
            }
        }
    }
}

/// Reads a reply; a frame that has an id but cannot be read otherwise becomes a failure of that request.
fn parse(frame: &[u8]) -> Option<(u64, ReplyFrame)> {
    #[derive(Deserialize)]
    struct Id {
        id: String,
    }
    let id_of = |frame: &[u8]| serde_json::from_slice::<Id>(frame).ok()?.id.parse().ok();
    if frame.len() > MAX_MESSAGE_BYTES {
        let id = id_of(frame)?;
        return Some((id, failure(id, CODE_TOO_LARGE, "the core's reply exceeds the bound of a frame")));
    }
    match serde_json::from_slice::<ReplyFrame>(frame) {
        Ok(reply) => {
            let id = match &reply {
                ReplyFrame::Failure(failure) => &failure.id,
                ReplyFrame::Response(response) => &response.id,
            };
            Some((id.parse().ok()?, reply))
        }
        Err(_) => {
            let id = id_of(frame)?;
            Some((id, failure(id, CODE_MALFORMED, "the core's reply is none of this version")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use enigma_protocol::ipc::{Addresses, ResponseFrame};
    use zeromq::RouterSocket;

    const PATIENCE: Duration = Duration::from_secs(20);

    struct FakeCore {
        socket: RouterSocket,
        endpoint: String,
    }

    impl FakeCore {
        async fn bind(endpoint: &str) -> Self {
            let mut socket = RouterSocket::new();
            // The port of a core that was just closed may take a moment to be free.
            let endpoint = loop {
                match socket.bind(endpoint).await {
                    Ok(endpoint) => break endpoint.to_string(),
                    Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
                }
            };
            Self { socket, endpoint }
        }

        /// The envelope up to the delimiter, and the request.
        async fn receive(&mut self) -> (ZmqMessage, serde_json::Value) {
            let mut message = self.socket.recv().await.unwrap();
            assert_eq!(message.len(), 3, "identity, delimiter, frame");
            assert!(message.get(1).unwrap().is_empty());
            let frame = message.split_off(2).into_vec().remove(0);
            (message, serde_json::from_slice(&frame).unwrap())
        }

        async fn reply(&mut self, envelope: ZmqMessage, json: impl Into<Vec<u8>>) {
            let mut message = ZmqMessage::from(json.into());
            message.prepend(&envelope);
            self.socket.send(message).await.unwrap();
        }
    }

    async fn next(inputs: &mut mpsc::Receiver<Input>) -> Input {
        tokio::time::timeout(PATIENCE, inputs.recv()).await.unwrap().unwrap()
    }

    fn addresses(id: &str) -> Vec<u8> {
        let response = Response::GetAllAddrs { result: Addresses { addresses: Vec::new(), next: None } };
        serde_json::to_vec(&ResponseFrame { id: id.to_owned(), response }).unwrap()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn requests_are_pipelined_and_replies_matched_by_id() {
        let mut fake = FakeCore::bind("tcp://127.0.0.1:0").await;
        let (sender, mut inputs) = mpsc::channel(16);
        let (core, _task) = start(fake.endpoint.clone(), sender);
        assert!(matches!(next(&mut inputs).await, Input::CoreConnected));
        core.ask(RequestId(7), Request::GetAllAddrs {}).unwrap();
        core.ask(RequestId(8), Request::GetAllTips {}).unwrap();
        let (first, seven) = fake.receive().await;
        let (second, eight) = fake.receive().await;
        assert_eq!((&seven["id"], &seven["type"]), (&"7".into(), &"GetAllAddrs".into()));
        assert_eq!((&eight["id"], &eight["type"]), (&"8".into(), &"GetAllTips".into()));
        // Out of order, and with noise that must not disturb.
        fake.reply(second.clone(), "no JSON").await;
        fake.reply(second.clone(), addresses("99")).await;
        fake.reply(second, r#"{"id":"8","type":"GetAllTips","msg":"no","code":20}"#).await;
        fake.reply(first, addresses("7")).await;
        match next(&mut inputs).await {
            Input::Core(RequestId(8), ReplyFrame::Failure(failure)) => assert_eq!(failure.code, Some(20)),
            other => panic!("{other:?}"),
        }
        assert!(matches!(next(&mut inputs).await, Input::Core(RequestId(7), ReplyFrame::Response(_))));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_core_that_goes_and_comes_back_is_found_again() {
        let mut fake = FakeCore::bind("tcp://127.0.0.1:0").await;
        let endpoint = fake.endpoint.clone();
        let (sender, mut inputs) = mpsc::channel(16);
        let (core, _task) = start(endpoint.clone(), sender);
        assert!(matches!(next(&mut inputs).await, Input::CoreConnected));
        core.ask(RequestId(1), Request::GetAllAddrs {}).unwrap();
        fake.receive().await;
        fake.socket.close().await;
        assert!(matches!(next(&mut inputs).await, Input::CoreLost));

        let mut fake = FakeCore::bind(&endpoint).await;
        assert!(matches!(next(&mut inputs).await, Input::CoreConnected));
        core.ask(RequestId(2), Request::GetAllAddrs {}).unwrap();
        let (envelope, request) = fake.receive().await;
        assert_eq!(request["id"], "2");
        // A reply to a request of the lost connection answers nothing.
        fake.reply(envelope.clone(), addresses("1")).await;
        fake.reply(envelope, addresses("2")).await;
        assert!(matches!(next(&mut inputs).await, Input::Core(RequestId(2), ReplyFrame::Response(_))));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn one_question_has_one_answer() {
        let mut fake = FakeCore::bind("tcp://127.0.0.1:0").await;
        let endpoint = fake.endpoint.clone();
        let answering = tokio::spawn(async move {
            let (envelope, _) = fake.receive().await;
            fake.reply(envelope, addresses("1")).await;
            let (envelope, _) = fake.receive().await;
            fake.reply(envelope, r#"{"id":"1","type":"GetAllAddrs","result":{"addresses":["zz"]}}"#).await;
            fake
        });
        let answer = ask_once(&endpoint, Request::GetAllAddrs {}).await;
        assert!(matches!(answer, Ok(Response::GetAllAddrs { .. })), "{answer:?}");
        let answer = ask_once(&endpoint, Request::GetAllAddrs {}).await;
        assert!(matches!(answer, Err(AskError::Refused(failure)) if failure.code == Some(CODE_MALFORMED)));
        drop(answering.await);
    }

    #[test]
    fn replies_that_cannot_be_read_fail_their_request_only() {
        let check = |frame: &str, expected: Option<(u64, Option<u16>)>| {
            let parsed = parse(frame.as_bytes()).map(|(id, reply)| match reply {
                ReplyFrame::Failure(failure) => (id, failure.code),
                ReplyFrame::Response(_) => (id, None),
            });
            assert_eq!(parsed, expected, "{}", &frame[..frame.len().min(100)]);
        };
        check("", None);
        check("[]", None);
        check(r#"{"id":"","type":"Error","msg":"what?"}"#, None);
        check(r#"{"id":"5","type":"Error","msg":"no","code":12}"#, Some((5, Some(12))));
        check(r#"{"id":"5","type":"GetAllAddrs","result":{"addresses":[]}}"#, Some((5, None)));
        check(r#"{"id":"5","type":"Surprise","result":{}}"#, Some((5, Some(CODE_MALFORMED))));
        let long = format!(r#"{{"id":"5","type":"Error","msg":"{}"}}"#, "x".repeat(MAX_MESSAGE_BYTES));
        check(&long, Some((5, Some(CODE_TOO_LARGE))));
    }
}
