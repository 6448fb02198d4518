//! JSON-RPC 2.0 for clients, over HTTP POST to `/`; `/healthz` for supervisors; CORS for browsers.
//!
//! Whatever arrives is answered with a JSON-RPC error or a result, within a bounded time and in bounded memory: bodies above
//! [`MAX_MESSAGE_BYTES`] are thrown away as they come, the bodies of all requests share one budget, and so many requests are
//! under way at once and no more. Errors have the stable codes of `enigma_protocol::rpc::codes`; HTTP status is 200 for every
//! JSON-RPC answer.
//!
//! Deliberately absent: batches, notifications, WebSocket, and every opinion about what a method means; that is the mind's.

use anyhow::Context as _;
use axum::{
    Router,
    body::{Body, BodyDataStream, Bytes},
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use enigma_node::{ClientId, Input};
use enigma_protocol::{
    limits::MAX_MESSAGE_BYTES,
    rpc::{self, RpcError, codes},
};
use futures::StreamExt;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;
use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    task::JoinHandle,
    time::{Instant, Sleep},
};
use tracing::warn;

/// Connections that are open at once.
const MAX_CONNECTIONS: usize = 512;
/// Requests that wait for the mind at once.
const MAX_REQUESTS: usize = 256;
/// Memory for the bodies of all requests under way: eight of the largest size.
const BODY_BUDGET_BYTES: usize = 8 * MAX_MESSAGE_BYTES;
/// What is read and thrown away of a body that is too large, so that its sender reads the answer.
const MAX_DISCARDED_BYTES: usize = 512 << 20;
/// A connection on which nothing moves for so long is closed; longer than any answer takes.
const IDLE_TIMEOUT: Duration = Duration::from_secs(90);
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// What `/healthz` tells, kept up to date by the shell.
#[derive(Debug, Default)]
pub struct Health {
    /// The Ethereum endpoint answers.
    pub ethereum: AtomicBool,
    /// The core answers; stays `false` for a node without one.
    pub core: AtomicBool,
    /// The node has a core.
    pub has_core: bool,
    /// The newest block the node has followed.
    pub block_number: AtomicU64,
}

/// Open requests and where their answers go.
#[derive(Debug, Default)]
pub struct Replies {
    next: AtomicU64,
    open: Mutex<HashMap<u64, oneshot::Sender<Answer>>>,
}

type Answer = Result<rpc::Response, RpcError>;

impl Replies {
    fn open(self: &Arc<Self>) -> (OpenReply, oneshot::Receiver<Answer>) {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = oneshot::channel();
        self.map().insert(id, sender);
        (OpenReply { id, replies: Arc::clone(self) }, receiver)
    }

    fn map(&self) -> std::sync::MutexGuard<'_, HashMap<u64, oneshot::Sender<Answer>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands over the mind's answer; a client that no longer waits misses it.
    pub fn answer(&self, client: ClientId, answer: Answer) {
        if let Some(waiting) = self.map().remove(&client.0) {
            let _ = waiting.send(answer);
        }
    }
}

/// Forgets the request when its client is gone.
struct OpenReply {
    id: u64,
    replies: Arc<Replies>,
}

impl Drop for OpenReply {
    fn drop(&mut self) {
        self.replies.map().remove(&self.id);
    }
}

/// From which web pages a browser may ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origins {
    /// From all.
    Any,
    /// From these; none when empty.
    Listed(Vec<HeaderValue>),
}

/// How the server is set up.
pub struct Options {
    /// Where to listen; port 0 takes a free one.
    pub address: SocketAddr,
    /// `*`, or origins; empty for the default: all on loopback, none elsewhere.
    pub cors_origins: Vec<String>,
}

#[derive(Clone)]
struct Server {
    inputs: mpsc::Sender<Input>,
    replies: Arc<Replies>,
    health: Arc<Health>,
    origins: Arc<Origins>,
    requests: Arc<Semaphore>,
    body_budget: Arc<Semaphore>,
}

/// Starts to serve; returns the address that was taken.
///
/// # Errors
/// The address cannot be listened on or an origin is no header value.
pub async fn start(
    options: Options,
    inputs: mpsc::Sender<Input>,
    replies: Arc<Replies>,
    health: Arc<Health>,
) -> anyhow::Result<(SocketAddr, JoinHandle<()>)> {
    let address = options.address;
    let origins = origins(&options.cors_origins, address)?;
    let listener = TcpListener::bind(address).await.with_context(|| {
        format!("cannot serve clients on {address}; choose another address with --rpc, port 0 takes a free one")
    })?;
    let taken = listener.local_addr().context("the listener for clients has no address")?;
    let app = app(inputs, replies, health, origins);
    let limited = Limited { listener, slots: Arc::new(Semaphore::new(MAX_CONNECTIONS)) };
    let task = tokio::spawn(async move {
        if let Err(error) = axum::serve(limited, app).await {
            warn!(%error, "the server for clients ended");
        }
    });
    Ok((taken, task))
}

fn origins(listed: &[String], address: SocketAddr) -> anyhow::Result<Origins> {
    if listed.iter().any(|origin| origin == "*") || (listed.is_empty() && address.ip().is_loopback()) {
        return Ok(Origins::Any);
    }
    let parse = |origin: &String| {
        HeaderValue::from_str(origin).with_context(|| format!("{origin:?} is no origin such as https://example.org"))
    };
    Ok(Origins::Listed(listed.iter().map(parse).collect::<anyhow::Result<_>>()?))
}

fn app(inputs: mpsc::Sender<Input>, replies: Arc<Replies>, health: Arc<Health>, origins: Origins) -> Router {
    let server = Server {
        inputs,
        replies,
        health,
        origins: Arc::new(origins),
        requests: Arc::new(Semaphore::new(MAX_REQUESTS)),
        body_budget: Arc::new(Semaphore::new(BODY_BUDGET_BYTES)),
    };
    Router::new()
        .route("/", post(serve))
        .route("/healthz", get(healthz))
        .method_not_allowed_fallback(elsewhere)
        .fallback(elsewhere)
        .layer(middleware::from_fn_with_state(server.clone(), cors))
        .with_state(server)
}

/// Accepts so many connections and no more; the next one waits in the kernel's queue.
struct Limited {
    listener: TcpListener,
    slots: Arc<Semaphore>,
}

/// A connection and its place among the connections.
struct Slot {
    stream: TcpStream,
    idle: Pin<Box<Sleep>>,
    _place: Option<OwnedSemaphorePermit>,
}

impl Slot {
    /// Passes on what the stream says; something has moved, or nothing for too long.
    fn watch<T>(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.idle.as_mut().reset(Instant::now() + IDLE_TIMEOUT);
            return polled;
        }
        match self.idle.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl axum::serve::Listener for Limited {
    type Io = Slot;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Slot, SocketAddr) {
        let place = Arc::clone(&self.slots).acquire_owned().await.ok();
        let (stream, address) = axum::serve::Listener::accept(&mut self.listener).await;
        let _ = stream.set_nodelay(true);
        (Slot { stream, idle: Box::pin(tokio::time::sleep(IDLE_TIMEOUT)), _place: place }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl AsyncRead for Slot {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        self.watch(cx, polled)
    }
}

impl AsyncWrite for Slot {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.watch(cx, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, buffers);
        self.watch(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

async fn healthz(State(server): State<Server>) -> Response {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Report {
        ok: bool,
        ethereum: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        core: Option<bool>,
        block_number: u64,
    }
    let health = &server.health;
    let ethereum = health.ethereum.load(Ordering::Relaxed);
    let core = health.has_core.then(|| health.core.load(Ordering::Relaxed));
    let ok = ethereum && core != Some(false);
    let report = Report { ok, ethereum, core, block_number: health.block_number.load(Ordering::Relaxed) };
    let status = if ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, axum::Json(report)).into_response()
}

async fn elsewhere() -> Response {
    let error = error(codes::INVALID_REQUEST, "this is a JSON-RPC 2.0 endpoint: POST one request to /");
    (StatusCode::NOT_FOUND, respond(None, Err(error))).into_response()
}

async fn cors(State(server): State<Server>, request: Request, next: Next) -> Response {
    let origin = request.headers().get(header::ORIGIN).cloned();
    let allowed = match (&*server.origins, origin) {
        (_, None) => None,
        (Origins::Any, Some(_)) => Some(HeaderValue::from_static("*")),
        (Origins::Listed(listed), Some(origin)) => listed.contains(&origin).then_some(origin),
    };
    let preflight = request.method() == Method::OPTIONS;
    let mut response = if preflight { StatusCode::NO_CONTENT.into_response() } else { next.run(request).await };
    let headers = response.headers_mut();
    headers.insert(header::VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = allowed {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if preflight {
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST, GET"));
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("content-type"));
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
        }
    }
    response
}

fn error(code: i32, message: impl Into<String>) -> RpcError {
    RpcError { code, message: message.into() }
}

async fn serve(State(server): State<Server>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = match tokio::time::timeout(BODY_TIMEOUT, read_body(&server, &parts.headers, body)).await {
        Ok(Ok(body)) => body,
        Ok(Err(refusal)) => return respond(None, Err(refusal)),
        Err(_) => return respond(None, Err(error(codes::INVALID_REQUEST, "the request took too long to arrive"))),
    };
    let call = match parse(&body.bytes) {
        Ok(call) => call,
        Err(refusal) => return respond(refusal.id, Err(refusal.error)),
    };
    let answer = ask(&server, call.request).await;
    respond(Some(call.id), answer)
}

async fn ask(server: &Server, request: rpc::Request) -> Answer {
    let busy = || error(codes::BUSY, "this node has more requests than it can hold; try again in a moment");
    let _place = server.requests.try_acquire().map_err(|_| busy())?;
    let (reply, answer) = server.replies.open();
    let question = async {
        server.inputs.send(Input::Client(ClientId(reply.id), request)).await.ok()?;
        answer.await.ok()
    };
    match tokio::time::timeout(ANSWER_TIMEOUT, question).await {
        Ok(Some(answer)) => answer,
        Ok(None) => Err(error(codes::INTERNAL_ERROR, "this node is shutting down")),
        Err(_) => Err(error(codes::BUSY, "this node did not answer in time; try again in a moment")),
    }
}

/// A body within the bound, and its share of the budget.
struct ReadBody {
    bytes: Vec<u8>,
    _share: Option<OwnedSemaphorePermit>,
}

async fn read_body(server: &Server, headers: &HeaderMap, body: Body) -> Result<ReadBody, RpcError> {
    let too_large =
        || error(codes::TOO_LARGE, format!("the request is larger than the {MAX_MESSAGE_BYTES} bytes allowed"));
    let broken = |_| error(codes::INVALID_REQUEST, "the request's body ended early");
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<u64>().ok())
        .unwrap_or_default();
    if announced > MAX_MESSAGE_BYTES as u64 {
        // A client that asks first has sent nothing yet.
        if !headers.contains_key(header::EXPECT) {
            discard(body.into_data_stream()).await;
        }
        return Err(too_large());
    }
    let mut stream = body.into_data_stream();
    let mut read = ReadBody { bytes: Vec::new(), _share: None };
    while let Some(chunk) = stream.next().await {
        let chunk: Bytes = chunk.map_err(broken)?;
        if read.bytes.len() + chunk.len() > MAX_MESSAGE_BYTES {
            drop(read);
            discard(stream).await;
            return Err(too_large());
        }
        let share =
            u32::try_from(chunk.len()).ok().map(|bytes| Arc::clone(&server.body_budget).try_acquire_many_owned(bytes));
        match (share, &mut read._share) {
            (Some(Ok(share)), Some(sum)) => sum.merge(share),
            (Some(Ok(share)), none) => *none = Some(share),
            (Some(Err(_)) | None, _) => {
                drop(read);
                discard(stream).await;
                return Err(error(codes::BUSY, "this node reads as many requests as it can; try again in a moment"));
            }
        }
        read.bytes.extend_from_slice(&chunk);
    }
    Ok(read)
}

/// Reads on without keeping anything, because a client that is still sending does not read the answer.
async fn discard(mut stream: BodyDataStream) {
    let mut discarded = 0;
    while let Some(Ok(chunk)) = stream.next().await {
        discarded += chunk.len();
        if discarded > MAX_DISCARDED_BYTES {
            return;
        }
    }
}

/// A request and the id that its answer carries.
#[derive(Debug)]
struct Call {
    id: Box<RawValue>,
    request: rpc::Request,
}

/// Why there is no call, with the id if it could be read.
#[derive(Debug)]
struct Refusal {
    id: Option<Box<RawValue>>,
    error: RpcError,
}

fn parse(body: &[u8]) -> Result<Call, Refusal> {
    #[derive(Deserialize)]
    struct Envelope<'a> {
        #[serde(borrow, default)]
        jsonrpc: Option<&'a RawValue>,
        #[serde(borrow, default)]
        method: Option<&'a RawValue>,
        #[serde(borrow, default)]
        params: Option<&'a RawValue>,
        #[serde(borrow, default)]
        id: Option<&'a RawValue>,
    }
    let refuse = |code, message: &str| Refusal { id: None, error: error(code, message) };
    let json: &RawValue = serde_json::from_slice(body)
        .map_err(|problem| refuse(codes::PARSE_ERROR, &format!("the request is not JSON: {problem}")))?;
    if json.get().starts_with('[') {
        return Err(refuse(
            codes::INVALID_REQUEST,
            "batches are not supported: send each request in a POST of its own",
        ));
    }
    let envelope: Envelope<'_> = serde_json::from_str(json.get()).map_err(|problem| {
        refuse(codes::INVALID_REQUEST, &format!("the request is no JSON-RPC 2.0 object: {problem}"))
    })?;
    // An id is a text or a number, and is echoed as it came.
    let id = match envelope.id {
        Some(id) if !id.get().starts_with(['{', '[', 't', 'f']) => id.to_owned(),
        Some(_) => return Err(refuse(codes::INVALID_REQUEST, "`id` must be a text or a number")),
        None => {
            return Err(refuse(codes::INVALID_REQUEST, "`id` is missing: a request without one would get no answer"));
        }
    };
    let refuse = |code, message: &str| Refusal { id: Some(id.clone()), error: error(code, message) };
    if envelope.jsonrpc.and_then(text).as_deref() != Some("2.0") {
        return Err(refuse(codes::INVALID_REQUEST, "`jsonrpc` must be \"2.0\""));
    }
    let Some(method) = envelope.method.and_then(text) else {
        return Err(refuse(codes::INVALID_REQUEST, "`method` must be a text"));
    };
    match request(&method, envelope.params) {
        Ok(request) => Ok(Call { id, request }),
        Err(error) => Err(Refusal { id: Some(id), error }),
    }
}

fn text(json: &RawValue) -> Option<String> {
    serde_json::from_str(json.get()).ok()
}

fn request(method: &str, params: Option<&RawValue>) -> Result<rpc::Request, RpcError> {
    match method {
        "getInfo" => decode(params).map(rpc::Request::GetInfo),
        "getWorkerEncryptionKey" => decode(params).map(rpc::Request::GetWorkerEncryptionKey),
        "deploySecretContract" => decode(params).map(rpc::Request::DeploySecretContract),
        "sendTaskInput" => decode(params).map(rpc::Request::SendTaskInput),
        "getTaskStatus" => decode(params).map(rpc::Request::GetTaskStatus),
        "getTaskResult" => decode(params).map(rpc::Request::GetTaskResult),
        "getEvidence" => decode(params).map(rpc::Request::GetEvidence),
        _ => Err(error(codes::METHOD_NOT_FOUND, "this node has no such method")),
    }
}

/// Parameters are one object, by name; none, `null` and `[]` stand for an empty one.
fn decode<T: DeserializeOwned>(params: Option<&RawValue>) -> Result<T, RpcError> {
    let json = match params.map_or("", |params| params.get()) {
        "" | "null" | "[]" => "{}",
        json => json,
    };
    if !json.starts_with('{') {
        return Err(error(codes::INVALID_PARAMS, "`params` must be one object: parameters are given by name"));
    }
    serde_json::from_str(json).map_err(|problem| error(codes::INVALID_PARAMS, format!("`params`: {problem}")))
}

fn respond(id: Option<Box<RawValue>>, answer: Answer) -> Response {
    #[derive(Serialize)]
    struct Reply {
        jsonrpc: &'static str,
        id: Option<Box<RawValue>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        result: Option<rpc::Response>,
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<RpcError>,
    }
    let (result, error) = match answer {
        Ok(result) => (Some(result), None),
        Err(error) => (None, Some(error)),
    };
    axum::Json(Reply { jsonrpc: "2.0", id, result, error }).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use enigma_protocol::{
        json::Hex0x,
        rpc::{TaskState, TaskStatus},
    };
    use serde_json::{Value, json};

    /// A server whose mind answers every question with a status, and tells what was asked.
    struct Fixture {
        url: String,
        http: reqwest::Client,
        asked: mpsc::UnboundedReceiver<rpc::Request>,
    }

    impl Fixture {
        async fn start(cors_origins: &[&str]) -> Self {
            let (sender, mut inputs) = mpsc::channel(4);
            let replies = Arc::new(Replies::default());
            let options = Options {
                address: "127.0.0.1:0".parse().unwrap(),
                cors_origins: cors_origins.iter().map(ToString::to_string).collect(),
            };
            let health = Arc::new(Health { has_core: true, ..Health::default() });
            let (address, _task) = super::start(options, sender, Arc::clone(&replies), health).await.unwrap();
            let (tell, asked) = mpsc::unbounded_channel();
            tokio::spawn(async move {
                while let Some(Input::Client(client, request)) = inputs.recv().await {
                    let status = TaskStatus { task_id: Hex0x::default(), state: TaskState::Unknown };
                    replies.answer(client, Ok(rpc::Response::Status(status)));
                    let _ = tell.send(request);
                }
            });
            Self { url: format!("http://{address}/"), http: reqwest::Client::new(), asked }
        }

        async fn post(&self, body: impl Into<reqwest::Body>) -> Value {
            let response = self.http.post(&self.url).body(body).send().await.unwrap();
            assert_eq!(response.status(), 200);
            response.json().await.unwrap()
        }
    }

    #[tokio::test]
    async fn malformed_requests_are_answered_with_stable_codes() {
        let mut server = Fixture::start(&[]).await;
        let deep = "[".repeat(100_000);
        let deep_params =
            format!(r#"{{"jsonrpc":"2.0","id":7,"method":"getInfo","params":{}"#, "{\"a\":".repeat(100_000));
        let table: &[(&[u8], i32, Value)] = &[
            (b"", codes::PARSE_ERROR, Value::Null),
            (b"hello", codes::PARSE_ERROR, Value::Null),
            (b"\xff\xfe\x00", codes::PARSE_ERROR, Value::Null),
            (b"{\"jsonrpc\":\"2.0\"", codes::PARSE_ERROR, Value::Null),
            (deep.as_bytes(), codes::PARSE_ERROR, Value::Null),
            (deep_params.as_bytes(), codes::PARSE_ERROR, Value::Null),
            (b"[]", codes::INVALID_REQUEST, Value::Null),
            (br#"[{"jsonrpc":"2.0","id":1,"method":"getInfo"}]"#, codes::INVALID_REQUEST, Value::Null),
            (b"17", codes::INVALID_REQUEST, Value::Null),
            (b"{}", codes::INVALID_REQUEST, Value::Null),
            (br#"{"jsonrpc":"2.0","method":"getInfo"}"#, codes::INVALID_REQUEST, Value::Null),
            (br#"{"jsonrpc":"2.0","id":null,"method":"getInfo"}"#, codes::INVALID_REQUEST, Value::Null),
            (br#"{"jsonrpc":"2.0","id":{},"method":"getInfo"}"#, codes::INVALID_REQUEST, Value::Null),
            (br#"{"id":7,"method":"getInfo"}"#, codes::INVALID_REQUEST, json!(7)),
            (br#"{"jsonrpc":"1.0","id":"a","method":"getInfo"}"#, codes::INVALID_REQUEST, json!("a")),
            (br#"{"jsonrpc":"2.0","id":7}"#, codes::INVALID_REQUEST, json!(7)),
            (br#"{"jsonrpc":"2.0","id":7,"method":5}"#, codes::INVALID_REQUEST, json!(7)),
            (br#"{"jsonrpc":"2.0","id":7,"id":8,"method":"getInfo"}"#, codes::INVALID_REQUEST, Value::Null),
            (br#"{"jsonrpc":"2.0","id":7,"method":"eth_call"}"#, codes::METHOD_NOT_FOUND, json!(7)),
            (br#"{"jsonrpc":"2.0","id":7,"method":"getInfo","params":[1]}"#, codes::INVALID_PARAMS, json!(7)),
            (br#"{"jsonrpc":"2.0","id":7,"method":"getInfo","params":{"a":1}}"#, codes::INVALID_PARAMS, json!(7)),
            (br#"{"jsonrpc":"2.0","id":7,"method":"getTaskStatus"}"#, codes::INVALID_PARAMS, json!(7)),
            (
                br#"{"jsonrpc":"2.0","id":7,"method":"getTaskStatus","params":{"taskId":"0x12"}}"#,
                codes::INVALID_PARAMS,
                json!(7),
            ),
            (
                br#"{"jsonrpc":"2.0","id":7,"method":"sendTaskInput","params":{"taskId":[]}}"#,
                codes::INVALID_PARAMS,
                json!(7),
            ),
        ];
        for (body, code, id) in table {
            let reply = server.post(body.to_vec()).await;
            let shown = String::from_utf8_lossy(&body[..body.len().min(100)]);
            assert_eq!(reply["error"]["code"], *code, "{shown}: {reply}");
            assert_eq!(reply["id"], *id, "{shown}");
            assert_eq!(reply["jsonrpc"], "2.0");
            assert!(reply.get("result").is_none());
        }
        assert!(server.asked.try_recv().is_err(), "nothing of it reaches the mind");
    }

    #[tokio::test]
    async fn a_good_request_is_answered_under_its_id() {
        let mut server = Fixture::start(&[]).await;
        for id in [json!(1), json!("one"), json!(-3), json!(1e300)] {
            let reply = server.post(json!({"jsonrpc": "2.0", "id": id, "method": "getInfo"}).to_string()).await;
            assert_eq!(reply["id"], id);
            assert_eq!(reply["result"]["state"], "unknown");
            assert!(reply.get("error").is_none());
            assert!(matches!(server.asked.recv().await, Some(rpc::Request::GetInfo(_))));
        }
    }

    #[tokio::test]
    async fn bodies_above_the_bound_are_refused_and_the_server_goes_on() {
        let server = Fixture::start(&[]).await;
        let hundred_megabytes = vec![b' '; 100 << 20];
        assert_eq!(server.post(hundred_megabytes.clone()).await["error"]["code"], codes::TOO_LARGE);
        // Without an announced length.
        let chunks =
            hundred_megabytes.chunks(1 << 20).map(|chunk| Ok::<_, std::io::Error>(chunk.to_vec())).collect::<Vec<_>>();
        let body = Body::from_stream(futures::stream::iter(chunks));
        let mut stream = body.into_data_stream();
        let mut raw = TcpStream::connect(server.url.trim_start_matches("http://").trim_end_matches('/')).await.unwrap();
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        raw.write_all(b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n")
            .await
            .unwrap();
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.unwrap();
            raw.write_all(format!("{:x}\r\n", chunk.len()).as_bytes()).await.unwrap();
            raw.write_all(&chunk).await.unwrap();
            raw.write_all(b"\r\n").await.unwrap();
        }
        raw.write_all(b"0\r\n\r\n").await.unwrap();
        let mut reply = String::new();
        raw.read_to_string(&mut reply).await.unwrap();
        assert!(reply.contains(&codes::TOO_LARGE.to_string()), "{reply}");

        let reply = server.post(json!({"jsonrpc": "2.0", "id": 1, "method": "getInfo"}).to_string()).await;
        assert_eq!(reply["result"]["state"], "unknown");
    }

    #[tokio::test]
    async fn browsers_may_ask_from_allowed_origins_only() {
        for (configured, origin, allowed) in [
            (&[][..], "https://a.example", Some("*")),
            (&["*"], "https://a.example", Some("*")),
            (&["https://a.example"], "https://a.example", Some("https://a.example")),
            (&["https://a.example"], "https://b.example", None),
        ] {
            let server = Fixture::start(configured).await;
            let preflight = server.http.request(reqwest::Method::OPTIONS, &server.url).header("origin", origin);
            let post = server.http.post(&server.url).header("origin", origin).body("{}");
            for request in [preflight, post] {
                let response = request.send().await.unwrap();
                let header = response.headers().get("access-control-allow-origin").map(|value| value.to_str().unwrap());
                assert_eq!(header, allowed, "{configured:?} {origin}");
            }
        }
        let public: SocketAddr = "192.0.2.1:80".parse().unwrap();
        assert_eq!(origins(&[], public).unwrap(), Origins::Listed(Vec::new()));
        assert!(origins(&["a\nb".to_owned()], public).is_err());
    }

    #[tokio::test]
    async fn other_paths_and_methods_say_what_this_is() {
        let server = Fixture::start(&[]).await;
        let missing = server.http.get(&server.url).send().await.unwrap();
        assert_eq!(missing.status(), 404);
        assert!(missing.text().await.unwrap().contains("POST one request to /"));
        let health = server.http.get(format!("{}healthz", server.url)).send().await.unwrap();
        assert_eq!(health.status(), 503);
        assert_eq!(
            health.json::<Value>().await.unwrap(),
            json!({"ok": false, "ethereum": false, "core": false, "blockNumber": 0})
        );
    }

    #[tokio::test]
    async fn a_taken_port_says_what_to_do() {
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let options = Options { address: taken.local_addr().unwrap(), cors_origins: Vec::new() };
        let (sender, _inputs) = mpsc::channel(1);
        let error = super::start(options, sender, Arc::default(), Arc::default()).await.unwrap_err();
        assert!(error.to_string().contains("choose another address with --rpc"), "{error}");
    }
}
