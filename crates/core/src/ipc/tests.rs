//! The server against real ZeroMQ sockets and against bytes that no ZeroMQ socket would send.

use super::{Pool, Service, endpoint::Endpoint, server::serve};
use enigma_enclave::Reply;
use enigma_protocol::{ipc::Failure, limits::MAX_MESSAGE_BYTES};
use std::{future, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use zeromq::{DealerSocket, ReqSocket, Socket, SocketRecv, SocketSend, ZmqMessage};

/// Answers `panic` by panicking, `wait` after a while, `work` after a long while, and everything else by itself in capitals. What
/// begins with `w` is a computation.
struct Shout;

impl Service for Shout {
    fn pool(&self, frame: &[u8]) -> Pool {
        if frame.first() == Some(&b'w') { Pool::Computations } else { Pool::Reads }
    }

    fn answer(&self, body: &[u8]) -> Reply {
        match body {
            b"panic" => panic!("asked for"),
            b"wait" => std::thread::sleep(Duration::from_millis(300)),
            b"work" => std::thread::sleep(Duration::from_secs(4)),
            _ => {}
        }
        body.to_ascii_uppercase().into()
    }

    fn busy(&self, body: &[u8]) -> Vec<u8> {
        [b"busy: ", body].concat()
    }
}

async fn start(endpoint: &str) -> String {
    let listener = endpoint.parse::<Endpoint>().unwrap().bind().await.unwrap();
    let bound = listener.endpoint.to_string();
    tokio::spawn(serve(listener, Shout, future::pending()));
    bound
}

async fn requester(endpoint: &str) -> ReqSocket {
    let mut socket = ReqSocket::new();
    socket.connect(endpoint).await.unwrap();
    socket
}

async fn ask(socket: &mut ReqSocket, body: impl Into<ZmqMessage>) -> Vec<u8> {
    let exchange = async {
        socket.send(body.into()).await.unwrap();
        socket.recv().await.unwrap()
    };
    let reply = timeout(Duration::from_secs(20), exchange).await.expect("a reply within 20 s");
    assert_eq!(reply.len(), 1);
    reply.get(0).unwrap().to_vec()
}

async fn check_alive(endpoint: &str) {
    assert_eq!(ask(&mut requester(endpoint).await, "alive").await, b"ALIVE");
}

#[tokio::test(flavor = "multi_thread")]
async fn requesters_of_both_transports_are_served_at_once() {
    let folder = tempfile::tempdir().unwrap();
    for endpoint in ["tcp://127.0.0.1:0".to_owned(), format!("ipc://{}/core", folder.path().display())] {
        let endpoint = start(&endpoint).await;
        let requesters = (0..64).map(|requester_number| {
            let endpoint = endpoint.clone();
            tokio::spawn(async move {
                let mut socket = requester(&endpoint).await;
                for request_number in 0..20 {
                    let text = format!("r{requester_number} {request_number}");
                    assert_eq!(ask(&mut socket, text.clone()).await, text.to_uppercase().into_bytes());
                }
            })
        });
        for requester in requesters.collect::<Vec<_>>() {
            requester.await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dealer_may_ask_several_things_and_gets_its_envelope_back() {
    let endpoint = start("tcp://127.0.0.1:0").await;
    let mut dealer = DealerSocket::new();
    dealer.connect(&endpoint).await.unwrap();
    for body in ["wait", "quick"] {
        let mut message = ZmqMessage::from(body);
        message.push_front("".into());
        message.push_front(format!("return address of {body}").into());
        dealer.send(message).await.unwrap();
    }
    for body in ["quick", "wait"] {
        let reply = timeout(Duration::from_secs(20), dealer.recv()).await.unwrap().unwrap().into_vec();
        assert_eq!(reply, [format!("return address of {body}"), String::new(), body.to_uppercase()]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn large_and_odd_messages_get_an_error_and_the_connection_lives_on() {
    let endpoint = start("tcp://127.0.0.1:0").await;
    let mut socket = requester(&endpoint).await;
    let check = async |socket: &mut ReqSocket, message: ZmqMessage, code: u16| {
        let failure: Failure = serde_json::from_slice(&ask(socket, message).await).unwrap();
        assert_eq!((failure.id.as_str(), failure.request_type.as_str(), failure.code), ("", "Error", Some(code)));
        assert_eq!(ask(socket, "still here").await, b"STILL HERE");
        failure.msg
    };
    let largest = vec![b'a'; MAX_MESSAGE_BYTES];
    assert_eq!(ask(&mut socket, largest.clone()).await, largest.to_ascii_uppercase());
    let message = check(&mut socket, vec![b'a'; 100_000_000].into(), super::code::TOO_LARGE).await;
    assert_eq!(message, "the message has 100000000 bytes, more than the 16777216 allowed");
    let mut several = ZmqMessage::from("two");
    several.push_back("frames".into());
    check(&mut socket, several, super::code::MALFORMED).await;
    check(&mut socket, "panic".into(), super::code::INTERNAL).await;
    assert_eq!(ask(&mut socket, "").await, b"");
}

/// A connection that has shaken hands as a REQ socket.
async fn raw(endpoint: &str) -> TcpStream {
    let mut stream = TcpStream::connect(endpoint.strip_prefix("tcp://").unwrap()).await.unwrap();
    let mut hello = vec![0; 64];
    hello[0] = 0xff;
    hello[9] = 0x7f;
    hello[10..16].copy_from_slice(b"\x03\x01NULL");
    hello.extend(b"\x04\x19\x05READY\x0bSocket-Type\0\0\0\x03REQ");
    stream.write_all(&hello).await.unwrap();
    let mut answer = [0; 64 + 30];
    stream.read_exact(&mut answer).await.unwrap();
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_that_announces_a_terabyte_is_answered() {
    let endpoint = start("tcp://127.0.0.1:0").await;
    let mut stream = raw(&endpoint).await;
    stream.write_all(b"\x01\x00\x02\0\0\x01\0\0\0\0\0").await.unwrap();
    let mut reply = [0; 4];
    timeout(Duration::from_secs(20), stream.read_exact(&mut reply)).await.unwrap().unwrap();
    assert_eq!(reply[..3], *b"\x01\x00\x00");
    let mut body = vec![0; reply[3].into()];
    stream.read_exact(&mut body).await.unwrap();
    assert_eq!(serde_json::from_slice::<Failure>(&body).unwrap().code, Some(super::code::TOO_LARGE));
    check_alive(&endpoint).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_zeromq_ends_one_connection_only() {
    let endpoint = start("tcp://127.0.0.1:0").await;
    let address = endpoint.strip_prefix("tcp://").unwrap();
    let noise: Vec<u8> = (0..70_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for garbage in [&b"GET / HTTP/1.1\r\nHost: core\r\n\r\n"[..], &[0xff; 200], &noise] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let _ = stream.write_all(garbage).await;
        let mut rest = Vec::new();
        // Closed, by end of file or by a reset because not everything was read.
        let _ = timeout(Duration::from_secs(5), stream.read_to_end(&mut rest)).await.expect("the connection is closed");
        check_alive(&endpoint).await;
    }
    for garbage in [&noise[..], b"\x80\x00", b"\x01\x00\x00\x05cut"] {
        let mut stream = raw(&endpoint).await;
        let _ = stream.write_all(garbage).await;
        let _ = stream.shutdown().await;
        drop(stream);
        check_alive(&endpoint).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_never_reads_does_not_hold_up_others() {
    let endpoint = start("tcp://127.0.0.1:0").await;
    let mut stream = raw(&endpoint).await;
    let mut request = b"\x02\0\0\0\0\0\x10\0\0".to_vec();
    request.resize(request.len() + (1 << 20), b'a');
    let mut sent = 0;
    // Replies are not read, so after a bounded number of requests the server stops reading this connection.
    while timeout(Duration::from_millis(500), stream.write_all(&request)).await.is_ok() {
        sent += 1;
        assert!(sent < 200, "the server reads on without an end");
    }
    check_alive(&endpoint).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_is_answered_while_computations_fill_their_room() {
    let endpoint = start("tcp://127.0.0.1:0").await;
    let mut dealer = DealerSocket::new();
    dealer.connect(&endpoint).await.unwrap();
    let computations = 200;
    let send = async |dealer: &mut DealerSocket, body: &'static str| {
        let mut message = ZmqMessage::from(body);
        message.push_front("".into());
        dealer.send(message).await.unwrap();
    };
    for _ in 0..computations {
        send(&mut dealer, "work").await;
    }
    // Behind them on the same connection, and on others.
    send(&mut dealer, "read").await;
    for _ in 0..100 {
        let started = std::time::Instant::now();
        check_alive(&endpoint).await;
        assert!(started.elapsed() < Duration::from_secs(1), "a read waited {:?}", started.elapsed());
    }
    let mut receive = async || timeout(Duration::from_secs(20), dealer.recv()).await.unwrap().unwrap().into_vec();
    assert_eq!(receive().await[1], "READ");
    // Those that get no turn are told so, in time; none is lost.
    let (mut done, mut busy) = (0, 0);
    for _ in 0..computations {
        match &*receive().await[1] {
            b"WORK" => done += 1,
            b"busy: work" => busy += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!(done > 0 && busy > 0 && done + busy == computations, "{done} {busy}");
}
