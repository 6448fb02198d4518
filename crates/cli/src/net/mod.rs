//! The network between nodes: libp2p over TCP with Noise and Yamux, and nothing else of this crate knows libp2p.
//!
//! Each [`Message`] is one request whose response is an empty acknowledgement; what answers what is the mind's business, and so
//! is a message that was lost. A peer is announced to the mind once it is known to speak the protocol of this network
//! (the protocol's name carries the network id), and is gone when its last connection is.
//!
//! Configured peers are dialled for ever, with growing pauses. Everything is bounded: connections, streams, frames, and for
//! each peer the messages in flight and the bytes that wait. What exceeds a bound, or goes to a peer that is gone, is dropped
//! with a line in the log.
//!
//! Deliberately absent: discovery, gossip, relays, retries.

mod codec;

pub use libp2p::Multiaddr;

use crate::backoff::Backoff;
use anyhow::{Context, bail};
use codec::{Acknowledgement, Codec};
use enigma_node::{Input, PeerId as NodePeer, message::Message};
use enigma_protocol::limits::MAX_MESSAGE_BYTES;
use libp2p::{
    PeerId, StreamProtocol, Swarm, SwarmBuilder,
    connection_limits::{self, ConnectionLimits},
    futures::StreamExt,
    identify,
    identity::Keypair,
    multiaddr, noise, ping,
    request_response::{self, ProtocolSupport},
    swarm::{ConnectionId, NetworkBehaviour, SwarmEvent, dial_opts::DialOpts},
    tcp, yamux,
};
use std::{
    collections::{HashMap, VecDeque},
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{sync::mpsc, task::JoinHandle, time::Instant};
use tracing::{debug, info, warn};

/// Messages of the mind that wait for the network's attention.
const OUTGOING_QUEUE: usize = 1024;
/// Messages to one peer that wait for their acknowledgement.
const WINDOW: usize = 32;
/// Bytes that wait for one peer: several deployments.
const MAX_WAITING_BYTES: usize = 4 * MAX_MESSAGE_BYTES;
/// Incoming streams of one connection that are served at once.
const MAX_STREAMS: usize = 32;
/// Connections from outside.
const MAX_INCOMING: u32 = 128;
/// Handshakes from outside that are under way.
const MAX_PENDING_INCOMING: u32 = 32;
/// Connections of one peer: two when both sides dial at once, and room for a stale one.
const MAX_PER_PEER: u32 = 4;
/// From the first byte of a message to its acknowledgement.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(20);
const PING_INTERVAL: Duration = Duration::from_secs(10);
const PING_TIMEOUT: Duration = Duration::from_secs(10);
const LISTEN_TIMEOUT: Duration = Duration::from_secs(5);
const FIRST_REDIAL: Duration = Duration::from_millis(100);
const LAST_REDIAL: Duration = Duration::from_secs(5);
/// Two nodes that dial each other at once end up with two connections within this time; a later one replaces the first.
const SIMULTANEOUS_DIAL: Duration = Duration::from_secs(5);

/// How the network is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// Name of the network; peers of another are not spoken with.
    pub network_id: String,
    /// File of the node's key, made when it is missing.
    pub key_file: PathBuf,
    /// Where to listen.
    pub listen: Multiaddr,
    /// Whom to dial, for ever.
    pub peers: Vec<Multiaddr>,
}

/// The running network.
pub struct Network {
    /// This node's name in it.
    pub peer_id: String,
    /// Where it is reached, each with its name.
    pub addresses: Vec<Multiaddr>,
    outgoing: mpsc::Sender<(NodePeer, Message)>,
}

impl Network {
    /// Hands a message over; it is dropped with a report when the queue is full.
    pub fn send(&self, peer: NodePeer, message: Message) {
        if let Err(error) = self.outgoing.try_send((peer, message)) {
            warn!(%error, "a message to a peer was dropped");
        }
    }
}

#[derive(NetworkBehaviour)]
struct Behaviour {
    limits: connection_limits::Behaviour,
    identify: identify::Behaviour,
    ping: ping::Behaviour,
    messages: request_response::Behaviour<Codec>,
}

/// Starts to listen and to dial.
///
/// # Errors
/// The key cannot be read or the address cannot be listened on.
pub async fn start(options: Options, inputs: mpsc::Sender<Input>) -> anyhow::Result<(Network, JoinHandle<()>)> {
    let key = load_key(&options.key_file)?;
    let peer_id = key.public().to_peer_id();
    let protocol = StreamProtocol::try_from_owned(format!("/enigma/{}/1", options.network_id))
        .context("the network id gives no protocol name")?;
    let mut swarm = swarm(key, &protocol)?;
    check_free(&options.listen).with_context(|| cannot_listen(&options.listen))?;
    swarm.listen_on(options.listen.clone()).with_context(|| cannot_listen(&options.listen))?;
    let addresses = listening(&mut swarm, &options.listen)
        .await?
        .into_iter()
        .map(|address| address.with(multiaddr::Protocol::P2p(peer_id)))
        .collect();
    let (outgoing, queue) = mpsc::channel(OUTGOING_QUEUE);
    let host = Host {
        swarm,
        protocol,
        inputs,
        dials: options.peers.into_iter().map(Dial::new).collect(),
        peers: HashMap::new(),
    };
    let task = tokio::spawn(host.run(queue));
    Ok((Network { peer_id: peer_id.to_base58(), addresses, outgoing }, task))
}

fn cannot_listen(address: &Multiaddr) -> String {
    format!("cannot listen for peers on {address}; choose another address with --p2p, port 0 takes a free one")
}

/// libp2p shares a port with whoever else shares it; a node that gets half of its connections is worse than an error.
fn check_free(address: &Multiaddr) -> std::io::Result<()> {
    let mut parts = address.iter();
    let ip: std::net::IpAddr = match parts.next() {
        Some(multiaddr::Protocol::Ip4(ip)) => ip.into(),
        Some(multiaddr::Protocol::Ip6(ip)) => ip.into(),
        _ => return Ok(()),
    };
    match parts.next() {
        Some(multiaddr::Protocol::Tcp(port)) => std::net::TcpListener::bind((ip, port)).map(drop),
        _ => Ok(()),
    }
}

fn load_key(path: &Path) -> anyhow::Result<Keypair> {
    match std::fs::read(path) {
        Ok(bytes) => Keypair::from_protobuf_encoding(&bytes).with_context(|| {
            format!("{} holds no libp2p key; move it away, and the node takes a new name", path.display())
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let key = Keypair::generate_ed25519();
            let bytes = key.to_protobuf_encoding().context("the new libp2p key cannot be encoded")?;
            crate::keyfile::write_private(path, &bytes)?;
            Ok(key)
        }
        Err(error) => Err(error).with_context(|| format!("cannot read the node's key {}", path.display())),
    }
}

fn swarm(key: Keypair, protocol: &StreamProtocol) -> anyhow::Result<Swarm<Behaviour>> {
    let limits = ConnectionLimits::default()
        .with_max_established_incoming(Some(MAX_INCOMING))
        .with_max_pending_incoming(Some(MAX_PENDING_INCOMING))
        .with_max_established_per_peer(Some(MAX_PER_PEER));
    let identify = identify::Config::new("/enigma/1".to_owned(), key.public())
        .with_agent_version(format!("enigma/{}", env!("CARGO_PKG_VERSION")));
    let messages = request_response::Config::default()
        .with_request_timeout(MESSAGE_TIMEOUT)
        .with_max_concurrent_streams(MAX_STREAMS);
    let behaviour = Behaviour {
        limits: connection_limits::Behaviour::new(limits),
        identify: identify::Behaviour::new(identify),
        ping: ping::Behaviour::new(ping::Config::new().with_interval(PING_INTERVAL).with_timeout(PING_TIMEOUT)),
        messages: request_response::Behaviour::with_codec(Codec, [(protocol.clone(), ProtocolSupport::Full)], messages),
    };
    let swarm = SwarmBuilder::with_existing_identity(key)
        .with_tokio()
        .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, yamux::Config::default)
        .context("the transport of the peer network cannot be set up")?
        .with_behaviour(|_| behaviour)
        .context("the peer network cannot be set up")?
        // A quiet connection stays; ping finds out when its other end is gone.
        .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(u64::MAX)))
        .build();
    Ok(swarm)
}

/// Waits until the operating system has given an address.
async fn listening(swarm: &mut Swarm<Behaviour>, wanted: &Multiaddr) -> anyhow::Result<Vec<Multiaddr>> {
    let first = tokio::time::timeout(LISTEN_TIMEOUT, async {
        loop {
            match swarm.select_next_some().await {
                SwarmEvent::NewListenAddr { .. } => return Ok(()),
                SwarmEvent::ListenerClosed { reason, .. } => {
                    reason.with_context(|| cannot_listen(wanted))?;
                    bail!("{}", cannot_listen(wanted));
                }
                _ => {}
            }
        }
    })
    .await;
    first.with_context(|| cannot_listen(wanted))??;
    Ok(swarm.listeners().cloned().collect())
}

/// A configured peer.
struct Dial {
    address: Multiaddr,
    state: DialState,
    backoff: Backoff,
}

#[derive(Clone, Copy)]
enum DialState {
    Waiting(Instant),
    Dialling(ConnectionId),
    Connected(PeerId),
}

impl Dial {
    fn new(address: Multiaddr) -> Self {
        Self { address, state: DialState::Waiting(Instant::now()), backoff: Backoff::new(FIRST_REDIAL, LAST_REDIAL) }
    }

    /// The name in the address, where it has one.
    fn expected(&self) -> Option<PeerId> {
        match self.address.iter().last() {
            Some(multiaddr::Protocol::P2p(peer)) => Some(peer),
            _ => None,
        }
    }

    fn again(&mut self) -> Duration {
        let pause = self.backoff.pause();
        self.state = DialState::Waiting(Instant::now() + pause);
        pause
    }
}

/// A connection to a peer.
struct Link {
    id: ConnectionId,
    dialled_here: bool,
    since: Instant,
}

/// A connected peer.
#[derive(Default)]
struct Peer {
    links: Vec<Link>,
    /// The mind knows it: it speaks our protocol.
    announced: bool,
    waiting: VecDeque<Vec<u8>>,
    waiting_bytes: usize,
    in_flight: usize,
}

struct Host {
    swarm: Swarm<Behaviour>,
    protocol: StreamProtocol,
    inputs: mpsc::Sender<Input>,
    dials: Vec<Dial>,
    peers: HashMap<PeerId, Peer>,
}

/// The mind and its log show peers by their usual text.
fn node_peer(peer: PeerId) -> NodePeer {
    NodePeer(peer.to_base58().into_bytes())
}

fn libp2p_peer(peer: &NodePeer) -> Option<PeerId> {
    std::str::from_utf8(&peer.0).ok()?.parse().ok()
}

impl Host {
    async fn run(mut self, mut queue: mpsc::Receiver<(NodePeer, Message)>) {
        loop {
            let redial = self.next_dial();
            tokio::select! {
                event = self.swarm.select_next_some() => self.event(event).await,
                outgoing = queue.recv() => match outgoing {
                    Some((peer, message)) => self.send(&peer, &message),
                    None => return,
                },
                () = tokio::time::sleep_until(redial.unwrap_or_else(Instant::now)), if redial.is_some() => self.dial(),
            }
        }
    }

    fn next_dial(&self) -> Option<Instant> {
        let waiting = self.dials.iter().filter_map(|dial| match dial.state {
            DialState::Waiting(until) => Some(until),
            DialState::Dialling(_) | DialState::Connected(_) => None,
        });
        waiting.min()
    }

    fn dial(&mut self) {
        let now = Instant::now();
        for dial in &mut self.dials {
            if !matches!(dial.state, DialState::Waiting(until) if until <= now) {
                continue;
            }
            if let Some(peer) = dial.expected().filter(|peer| self.peers.contains_key(peer)) {
                dial.state = DialState::Connected(peer);
                continue;
            }
            let options = DialOpts::from(dial.address.clone());
            let connection = options.connection_id();
            match self.swarm.dial(options) {
                Ok(()) => dial.state = DialState::Dialling(connection),
                Err(error) => {
                    let pause = dial.again();
                    info!(address = %dial.address, %error, ?pause, "a peer cannot be dialled");
                }
            }
        }
    }

    fn send(&mut self, to: &NodePeer, message: &Message) {
        let Some((id, peer)) = libp2p_peer(to)
            .and_then(|id| self.peers.get_mut(&id).map(|peer| (id, peer)))
            .filter(|(_, peer)| peer.announced)
        else {
            return info!(peer = %to, "a message to a peer that is gone was dropped");
        };
        let frame = message.to_bytes();
        if frame.len() > MAX_MESSAGE_BYTES {
            return warn!(peer = %id, bytes = frame.len(), "a message above the bound was dropped");
        }
        if peer.waiting_bytes + frame.len() > MAX_WAITING_BYTES {
            return warn!(peer = %id, "a message to a peer that does not keep up was dropped");
        }
        peer.waiting_bytes += frame.len();
        peer.waiting.push_back(frame);
        self.pump(id);
    }

    fn pump(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        while peer.in_flight < WINDOW {
            let Some(frame) = peer.waiting.pop_front() else { return };
            peer.waiting_bytes -= frame.len();
            peer.in_flight += 1;
            self.swarm.behaviour_mut().messages.send_request(&id, frame);
        }
    }

    async fn event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(BehaviourEvent::Messages(event)) => self.message_event(event).await,
            SwarmEvent::Behaviour(BehaviourEvent::Identify(identify::Event::Received { peer_id, info, .. })) => {
                if info.protocols.contains(&self.protocol) {
                    self.announce(peer_id).await;
                } else {
                    warn!(peer = %peer_id, agent = %info.agent_version, "a peer of another network was disconnected");
                    let _ = self.swarm.disconnect_peer_id(peer_id);
                }
            }
            SwarmEvent::Behaviour(BehaviourEvent::Ping(ping::Event { peer, connection, result: Err(error) })) => {
                debug!(%peer, %error, "a peer does not answer pings");
                self.swarm.close_connection(connection);
            }
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                let link = Link { id: connection_id, dialled_here: endpoint.is_dialer(), since: Instant::now() };
                self.replace_stale(peer_id, &link).await;
                self.peers.entry(peer_id).or_default().links.push(link);
                for dial in &mut self.dials {
                    if matches!(dial.state, DialState::Dialling(connection) if connection == connection_id) {
                        dial.state = DialState::Connected(peer_id);
                    }
                }
            }
            SwarmEvent::ConnectionClosed { peer_id, num_established: 0, cause, .. } => {
                self.gone(peer_id, cause.map(|cause| cause.to_string())).await;
            }
            SwarmEvent::ConnectionClosed { peer_id, connection_id, .. } => {
                if let Some(peer) = self.peers.get_mut(&peer_id) {
                    peer.links.retain(|link| link.id != connection_id);
                }
            }
            SwarmEvent::OutgoingConnectionError { connection_id, error, .. } => {
                for dial in &mut self.dials {
                    if matches!(dial.state, DialState::Dialling(connection) if connection == connection_id) {
                        let pause = dial.again();
                        info!(address = %dial.address, %error, ?pause, "a peer cannot be reached");
                    }
                }
            }
            SwarmEvent::ListenerError { error, .. } => warn!(%error, "the listener for peers failed"),
            SwarmEvent::ListenerClosed { reason, .. } => warn!(?reason, "the listener for peers closed"),
            _ => {}
        }
    }

    async fn message_event(&mut self, event: request_response::Event<Vec<u8>, Acknowledgement>) {
        match event {
            request_response::Event::Message { peer, message, .. } => match message {
                request_response::Message::Request { request, channel, .. } => match Message::from_bytes(&request) {
                    Ok(message) => {
                        // Whoever sends on our protocol speaks it, whether or not identify came first.
                        self.announce(peer).await;
                        // The mind's queue slows the sender down: no acknowledgement before there is room.
                        let _ = self.inputs.send(Input::Peer(node_peer(peer), message)).await;
                        let _ = self.swarm.behaviour_mut().messages.send_response(channel, Acknowledgement);
                    }
                    Err(error) => warn!(%peer, %error, "a peer sent what is no message"),
                },
                request_response::Message::Response { .. } => self.settled(peer),
            },
            request_response::Event::OutboundFailure { peer, error, .. } => {
                warn!(%peer, %error, "a message to a peer was lost");
                self.settled(peer);
            }
            request_response::Event::InboundFailure { peer, error, .. } => {
                debug!(%peer, %error, "a message of a peer did not arrive");
            }
            request_response::Event::ResponseSent { .. } => {}
        }
    }

    fn settled(&mut self, id: PeerId) {
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.in_flight = peer.in_flight.saturating_sub(1);
        }
        self.pump(id);
    }

    async fn announce(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get_mut(&id).filter(|peer| !peer.announced) else { return };
        peer.announced = true;
        for dial in &mut self.dials {
            if matches!(dial.state, DialState::Connected(peer) if peer == id) {
                dial.backoff.reset();
            }
        }
        info!(peer = %id, "a peer is connected");
        let _ = self.inputs.send(Input::PeerConnected(node_peer(id))).await;
    }

    /// A peer that connects again has forgotten us: it was restarted, and its old connection has not broken yet. To the mind
    /// it is gone and comes back, so that the greetings are repeated.
    async fn replace_stale(&mut self, id: PeerId, new: &Link) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let simultaneous = |old: &Link| {
            old.dialled_here != new.dialled_here && new.since.duration_since(old.since) < SIMULTANEOUS_DIAL
        };
        if peer.links.iter().all(simultaneous) {
            return;
        }
        let old = std::mem::take(peer);
        for link in old.links {
            self.swarm.close_connection(link.id);
        }
        if old.announced {
            info!(peer = %id, dropped = old.waiting.len(), "a peer has connected anew");
            let _ = self.inputs.send(Input::PeerGone(node_peer(id))).await;
        }
    }

    async fn gone(&mut self, id: PeerId, cause: Option<String>) {
        let Some(peer) = self.peers.remove(&id) else { return };
        for dial in &mut self.dials {
            if matches!(dial.state, DialState::Connected(peer) if peer == id) {
                dial.again();
            }
        }
        if !peer.announced {
            return;
        }
        info!(peer = %id, cause = cause.unwrap_or_default(), dropped = peer.waiting.len(), "a peer is gone");
        let _ = self.inputs.send(Input::PeerGone(node_peer(id))).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use enigma_node::message::{Hello, PeerRole};
    use enigma_protocol::TaskId;

    const PATIENCE: Duration = Duration::from_secs(30);

    struct TestHost {
        network: Network,
        inputs: mpsc::Receiver<Input>,
        task: JoinHandle<()>,
    }

    impl TestHost {
        async fn start(key: &Path, network_id: &str, listen: &str, peers: &[&Multiaddr]) -> Self {
            let (sender, inputs) = mpsc::channel(64);
            let options = Options {
                network_id: network_id.to_owned(),
                key_file: key.to_path_buf(),
                listen: listen.parse().unwrap(),
                peers: peers.iter().map(|peer| (*peer).clone()).collect(),
            };
            // The port of a host that was just closed may take a moment to be free.
            let (network, task) = loop {
                match super::start(options.clone(), sender.clone()).await {
                    Ok(started) => break started,
                    Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
                }
            };
            Self { network, inputs, task }
        }

        fn address(&self) -> &Multiaddr {
            &self.network.addresses[0]
        }

        fn name(&self) -> NodePeer {
            NodePeer(self.network.peer_id.clone().into_bytes())
        }

        async fn next(&mut self) -> Input {
            tokio::time::timeout(PATIENCE, self.inputs.recv()).await.unwrap().unwrap()
        }

        async fn connected(&mut self, other: &NodePeer) {
            match self.next().await {
                Input::PeerConnected(peer) => assert_eq!(&peer, other),
                input => panic!("{input:?}"),
            }
        }

        async fn receives(&mut self, other: &NodePeer, expected: &Message) {
            match self.next().await {
                Input::Peer(peer, message) => assert!(&peer == other && &message == expected, "{message:?}"),
                input => panic!("{input:?}"),
            }
        }

        /// As a process that is killed: nothing is said to anybody.
        async fn kill(self) {
            self.task.abort();
            let _ = self.task.await;
        }
    }

    fn hello() -> Message {
        Message::Hello(Hello { role: PeerRole::User, signer: None })
    }

    const LOOPBACK: &str = "/ip4/127.0.0.1/tcp/0";

    #[tokio::test(flavor = "multi_thread")]
    async fn messages_arrive_and_a_peer_that_comes_back_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let (worker_key, user_key) = (directory.path().join("worker"), directory.path().join("user"));
        let mut worker = TestHost::start(&worker_key, "enigma-1", LOOPBACK, &[]).await;
        let mut user = TestHost::start(&user_key, "enigma-1", LOOPBACK, &[worker.address()]).await;
        let (worker_name, user_name) = (worker.name(), user.name());
        worker.connected(&user_name).await;
        user.connected(&worker_name).await;

        // More than the window, in both directions, the largest message among them.
        let messages: Vec<_> =
            (0..3 * WINDOW as u64).map(|id| Message::PttReply { id, result: Err("no".to_owned()) }).collect();
        for message in &messages {
            user.network.send(worker_name.clone(), message.clone());
        }
        let mut ids: Vec<u64> = Vec::new();
        while ids.len() < messages.len() {
            match worker.next().await {
                Input::Peer(_, Message::PttReply { id, .. }) => ids.push(id),
                input => panic!("{input:?}"),
            }
        }
        ids.sort_unstable();
        assert!(ids.into_iter().eq(0..3 * WINDOW as u64));
        worker.network.send(user_name.clone(), hello());
        user.receives(&worker_name, &hello()).await;
        // Nobody there: dropped, and nothing breaks.
        user.network.send(NodePeer(b"nobody".to_vec()), hello());

        let address = worker.address().clone();
        worker.kill().await;
        assert!(matches!(user.next().await, Input::PeerGone(peer) if peer == worker_name));
        user.network.send(worker_name.clone(), hello());

        let listen = address.iter().take(2).collect::<Multiaddr>().to_string();
        let mut worker = TestHost::start(&worker_key, "enigma-1", &listen, &[]).await;
        assert_eq!(worker.name(), worker_name, "the key was kept");
        worker.connected(&user_name).await;
        user.connected(&worker_name).await;
        let again = Message::GetOutcome { task_id: TaskId([7; 32]) };
        user.network.send(worker_name.clone(), again.clone());
        worker.receives(&user_name, &again).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_peer_that_connects_anew_before_its_old_connection_breaks_is_greeted_again() {
        let directory = tempfile::tempdir().unwrap();
        let (worker_key, user_key) = (directory.path().join("worker"), directory.path().join("user"));
        let mut worker = TestHost::start(&worker_key, "enigma-1", LOOPBACK, &[]).await;
        let (worker_name, address, key) = (worker.name(), worker.address().clone(), user_key.clone());
        // A process that is frozen once both ends are connected: nobody drives its runtime any more.
        let (freeze, frozen) = tokio::sync::oneshot::channel::<()>();
        let process = tokio::task::spawn_blocking(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let user = runtime.block_on(async {
                let mut user = TestHost::start(&key, "enigma-1", LOOPBACK, &[&address]).await;
                user.connected(&worker_name).await;
                frozen.await.unwrap();
                user
            });
            (runtime, user)
        });
        let Input::PeerConnected(name) = worker.next().await else { panic!("no peer") };
        freeze.send(()).unwrap();
        let process = process.await.unwrap();
        assert_eq!(process.1.name(), name);
        let mut restarted = TestHost::start(&user_key, "enigma-1", LOOPBACK, &[worker.address()]).await;
        assert!(matches!(worker.next().await, Input::PeerGone(peer) if peer == name));
        worker.connected(&name).await;
        restarted.connected(&worker.name()).await;
        worker.network.send(name, hello());
        restarted.receives(&worker.name(), &hello()).await;
        process.0.shutdown_background();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_peer_of_another_network_is_not_announced() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let mut worker = TestHost::start(&path("worker"), "enigma-1", LOOPBACK, &[]).await;
        let _stranger = TestHost::start(&path("stranger"), "enigma-2", LOOPBACK, &[worker.address()]).await;
        let user = TestHost::start(&path("user"), "enigma-1", LOOPBACK, &[worker.address()]).await;
        worker.connected(&user.name()).await;
        assert!(worker.inputs.try_recv().is_err());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_taken_port_and_a_broken_key_say_what_to_do() {
        let directory = tempfile::tempdir().unwrap();
        let worker = TestHost::start(&directory.path().join("worker"), "enigma-1", LOOPBACK, &[]).await;
        let (sender, _inputs) = mpsc::channel(1);
        let options = Options {
            network_id: "enigma-1".to_owned(),
            key_file: directory.path().join("other"),
            listen: worker.address().iter().take(2).collect(),
            peers: Vec::new(),
        };
        let error = super::start(options.clone(), sender.clone()).await.err().unwrap();
        assert!(error.to_string().contains("choose another address with --p2p"), "{error}");
        std::fs::write(directory.path().join("broken"), "no key").unwrap();
        let broken = Options { key_file: directory.path().join("broken"), ..options };
        let error = super::start(broken, sender).await.err().unwrap();
        assert!(error.to_string().contains("move it away"), "{error}");
    }
}
