//! ZMTP 3.0 (<https://rfc.zeromq.org/spec/23/>) as a ROUTER without a mechanism needs it: greeting, READY, message frames.
//!
//! Memory follows what was received, never what a header announces: a body that is too large is announced to the caller,
//! who answers and then lets it stream past ([`Reader::skip`]).
//!
//! Deliberately absent: security mechanisms other than NULL, older protocol versions, identities chosen by peers (a
//! connection is its own return address, so no peer can take another's replies).

use super::code;
use enigma_protocol::limits::MAX_MESSAGE_BYTES;
use std::io;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};

const MORE: u8 = 1;
const LONG: u8 = 2;
const COMMAND: u8 = 4;

/// Frames in front of the body: one empty delimiter from REQ, a few return addresses from proxies.
const MAX_ENVELOPE_FRAMES: usize = 8;
/// A return address, as ZeroMQ bounds it.
const MAX_ENVELOPE_FRAME_BYTES: u64 = 255;
/// The READY command of a peer: socket type and identity.
const MAX_READY_BYTES: u64 = 4096;
/// Body bytes that are reserved before any arrived.
const FIRST_ALLOCATION_BYTES: usize = 16 << 10;

/// Why a connection cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("not a ZeroMQ 3 peer: {0}")]
    Protocol(&'static str),
}

/// The frames that go back in front of a reply, so that it finds its way.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Envelope(Vec<Vec<u8>>);

/// What a peer sent.
#[derive(Debug, PartialEq, Eq)]
pub enum Incoming {
    /// A message whose body comes next: [`Reader::body`] takes it.
    Request { envelope: Envelope, body_bytes: usize },
    /// A message that is not a request; what is left of it must be skipped.
    Refused { envelope: Envelope, code: u16, reason: String, rest: Rest },
}

/// What is left on the wire of a refused message.
#[derive(Debug, PartialEq, Eq)]
pub struct Rest {
    bytes: u64,
    more: bool,
}

struct Header {
    flags: u8,
    bytes: u64,
}

/// The receiving half of a connection.
pub struct Reader<R>(BufReader<R>);

/// Exchanges greeting and READY.
///
/// # Errors
/// The peer speaks something else, or is of a socket type that sends no requests.
pub async fn handshake<R, W>(read: R, write: &mut W) -> Result<Reader<R>, ConnectionError>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut reader = Reader(BufReader::new(read));
    write.write_all(&greeting()).await?;
    write.flush().await?;
    reader.greeting().await?;
    write.write_all(&ready()).await?;
    write.flush().await?;
    reader.ready().await?;
    Ok(reader)
}

fn greeting() -> [u8; 64] {
    let mut bytes = [0; 64];
    bytes[0] = 0xff;
    bytes[9] = 0x7f;
    bytes[10] = 3;
    bytes[12..16].copy_from_slice(b"NULL");
    bytes
}

fn ready() -> Vec<u8> {
    let mut body = b"\x05READY".to_vec();
    body.extend(b"\x0bSocket-Type\0\0\0\x06ROUTER");
    let mut frame = vec![COMMAND, body.len() as u8];
    frame.append(&mut body);
    frame
}

impl<R: AsyncRead + Unpin> Reader<R> {
    async fn greeting(&mut self) -> Result<(), ConnectionError> {
        // The signature alone first: whoever speaks another protocol need not send 64 bytes to be told.
        let mut signature = [0; 10];
        self.0.read_exact(&mut signature).await?;
        if signature[0] != 0xff || signature[9] & 1 == 0 {
            return Err(ConnectionError::Protocol("wrong signature"));
        }
        let mut rest = [0; 54];
        self.0.read_exact(&mut rest).await?;
        if rest[0] < 3 {
            return Err(ConnectionError::Protocol("an older protocol version"));
        }
        if rest[2..22] != *b"NULL\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0" {
            return Err(ConnectionError::Protocol("a security mechanism that this endpoint does not offer"));
        }
        Ok(())
    }

    async fn ready(&mut self) -> Result<(), ConnectionError> {
        let header = self.header().await?.ok_or(ConnectionError::Protocol("it left before READY"))?;
        if header.flags & COMMAND == 0 || header.bytes > MAX_READY_BYTES {
            return Err(ConnectionError::Protocol("a frame other than READY"));
        }
        let command = self.take(header.bytes as usize).await?;
        let properties = command.strip_prefix(b"\x05READY").ok_or(ConnectionError::Protocol("no READY"))?;
        match socket_type(properties) {
            Some(b"REQ" | b"DEALER" | b"ROUTER") => Ok(()),
            _ => Err(ConnectionError::Protocol("a socket type other than REQ, DEALER and ROUTER")),
        }
    }

    /// The next message up to its body; `None` when the peer has gone.
    ///
    /// # Errors
    /// The connection broke, or the bytes are not ZMTP: it cannot go on.
    pub async fn next(&mut self) -> Result<Option<Incoming>, ConnectionError> {
        let mut envelope = Envelope::default();
        let mut delimited = false;
        while let Some(header) = self.header().await? {
            if header.flags & COMMAND != 0 {
                self.skip(Rest { bytes: header.bytes, more: false }).await?;
                continue;
            }
            let more = header.flags & MORE != 0;
            if !more && header.bytes <= MAX_MESSAGE_BYTES as u64 {
                return Ok(Some(Incoming::Request { envelope, body_bytes: header.bytes as usize }));
            }
            if more && !delimited && envelope.0.len() < MAX_ENVELOPE_FRAMES && header.bytes <= MAX_ENVELOPE_FRAME_BYTES
            {
                delimited = header.bytes == 0;
                envelope.0.push(self.take(header.bytes as usize).await?);
                continue;
            }
            let (code, reason) = if header.bytes > MAX_MESSAGE_BYTES as u64 {
                let reason =
                    format!("the message has {} bytes, more than the {MAX_MESSAGE_BYTES} allowed", header.bytes);
                (code::TOO_LARGE, reason)
            } else {
                (code::MALFORMED, "a request is one frame, and this message has several".into())
            };
            return Ok(Some(Incoming::Refused { envelope, code, reason, rest: Rest { bytes: header.bytes, more } }));
        }
        Ok(None)
    }

    /// The body that [`Incoming::Request`] announced.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn body(&mut self, body_bytes: usize) -> Result<Vec<u8>, ConnectionError> {
        self.take(body_bytes).await
    }

    /// Reads past what is left of a refused message, holding none of it.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn skip(&mut self, rest: Rest) -> Result<(), ConnectionError> {
        let Rest { mut bytes, mut more } = rest;
        loop {
            while bytes > 0 {
                let available = self.0.fill_buf().await?.len();
                if available == 0 {
                    return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
                }
                let skipped = available.min(usize::try_from(bytes).unwrap_or(usize::MAX));
                self.0.consume(skipped);
                bytes -= skipped as u64;
            }
            if !more {
                return Ok(());
            }
            let header = self.header().await?.ok_or(io::Error::from(io::ErrorKind::UnexpectedEof))?;
            bytes = header.bytes;
            more = header.flags & MORE != 0;
        }
    }

    async fn header(&mut self) -> Result<Option<Header>, ConnectionError> {
        if self.0.fill_buf().await?.is_empty() {
            return Ok(None);
        }
        let flags = self.0.read_u8().await?;
        if flags & !(MORE | LONG | COMMAND) != 0 || flags & (MORE | COMMAND) == MORE | COMMAND {
            return Err(ConnectionError::Protocol("reserved bits in a frame's flags"));
        }
        let bytes = if flags & LONG != 0 { self.0.read_u64().await? } else { self.0.read_u8().await?.into() };
        Ok(Some(Header { flags, bytes }))
    }

    async fn take(&mut self, bytes: usize) -> Result<Vec<u8>, ConnectionError> {
        let mut taken = Vec::with_capacity(bytes.min(FIRST_ALLOCATION_BYTES));
        (&mut self.0).take(bytes as u64).read_to_end(&mut taken).await?;
        if taken.len() < bytes {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        Ok(taken)
    }
}

/// The value of the property `Socket-Type` in the properties of READY.
fn socket_type(mut properties: &[u8]) -> Option<&[u8]> {
    loop {
        let (name_bytes, rest) = properties.split_first()?;
        let (name, rest) = rest.split_at_checked((*name_bytes).into())?;
        let (value_bytes, rest) = rest.split_first_chunk::<4>()?;
        let (value, rest) = rest.split_at_checked(u32::from_be_bytes(*value_bytes) as usize)?;
        if name.eq_ignore_ascii_case(b"Socket-Type") {
            return Some(value);
        }
        properties = rest;
    }
}

/// Sends one reply.
///
/// # Errors
/// The connection broke.
pub async fn send<W: AsyncWrite + Unpin>(write: &mut W, envelope: &Envelope, body: &[u8]) -> io::Result<()> {
    for frame in &envelope.0 {
        write_frame(write, MORE, frame).await?;
    }
    write_frame(write, 0, body).await?;
    write.flush().await
}

async fn write_frame<W: AsyncWrite + Unpin>(write: &mut W, flags: u8, frame: &[u8]) -> io::Result<()> {
    match u8::try_from(frame.len()) {
        Ok(bytes) => write.write_all(&[flags, bytes]).await?,
        Err(_) => {
            write.write_u8(flags | LONG).await?;
            write.write_u64(frame.len() as u64).await?;
        }
    }
    write.write_all(frame).await
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn next(bytes: &[u8]) -> Result<Option<Incoming>, ConnectionError> {
        Reader(BufReader::new(bytes)).next().await
    }

    fn envelope(frames: &[&[u8]]) -> Envelope {
        Envelope(frames.iter().map(|frame| frame.to_vec()).collect())
    }

    #[tokio::test]
    async fn messages_of_every_peer_are_taken_apart() {
        let check = async |bytes: &[u8], frames: &[&[u8]], body: &[u8]| {
            let mut reader = Reader(BufReader::new(bytes));
            let Some(Incoming::Request { envelope: found, body_bytes }) = reader.next().await.unwrap() else {
                panic!("no request in {bytes:?}")
            };
            assert_eq!((found, reader.body(body_bytes).await.unwrap()), (envelope(frames), body.to_vec()));
            assert_eq!(reader.next().await.unwrap(), None);
        };
        check(b"\x01\x00\x00\x02{}", &[b""], b"{}").await; // REQ
        check(b"\x00\x02{}", &[], b"{}").await; // DEALER without delimiter
        check(b"\x01\x01a\x01\x00\x00\x02{}", &[b"a", b""], b"{}").await; // through a proxy
        check(b"\x02\0\0\0\0\0\0\0\x02{}", &[], b"{}").await; // a short body with a long header
        check(b"\x04\x05\x04PING\x00\x02{}", &[], b"{}").await; // a command in between
        check(b"\x00\x00", &[], b"").await;
    }

    #[tokio::test]
    async fn other_messages_are_refused_and_skipped() {
        let check = async |bytes: &[u8], expected: u16| {
            let bytes = [bytes, b"\x00\x02{}"].concat();
            let mut reader = Reader(BufReader::new(bytes.as_slice()));
            let Some(Incoming::Refused { code, rest, .. }) = reader.next().await.unwrap() else {
                panic!("not refused: {bytes:?}")
            };
            assert_eq!(code, expected);
            reader.skip(rest).await.unwrap();
            assert!(matches!(reader.next().await, Ok(Some(Incoming::Request { body_bytes: 2, .. }))));
        };
        check(b"\x01\x00\x01\x01a\x00\x01b", code::MALFORMED).await;
        check(&[&b"\x01\x01a".repeat(MAX_ENVELOPE_FRAMES + 1)[..], b"\x00\x01b"].concat(), code::MALFORMED).await;
        let large = vec![7; MAX_MESSAGE_BYTES + 1];
        let header = (large.len() as u64).to_be_bytes();
        check(&[b"\x01\x00\x02", &header[..], &large].concat(), code::TOO_LARGE).await;
        check(&[b"\x03", &header[..], &large, b"\x00\x01b"].concat(), code::TOO_LARGE).await;
    }

    #[tokio::test]
    async fn an_announced_size_is_not_allocated() {
        let Ok(Some(Incoming::Refused { envelope: found, code, reason, rest })) =
            next(b"\x01\x00\x02\0\0\x01\0\0\0\0\0").await
        else {
            panic!("not refused")
        };
        assert_eq!((found, code), (envelope(&[b""]), code::TOO_LARGE));
        assert_eq!(rest, Rest { bytes: 1 << 40, more: false });
        assert_eq!(reason, "the message has 1099511627776 bytes, more than the 16777216 allowed");
    }

    #[tokio::test]
    async fn what_is_not_zmtp_ends_the_connection() {
        assert!(matches!(next(b"\x08\x00").await, Err(ConnectionError::Protocol(_))));
        assert!(matches!(next(b"\x05\x00").await, Err(ConnectionError::Protocol(_))));
        assert!(matches!(next(b"\x02\0\0").await, Err(ConnectionError::Io(_))));
        for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\xff\0\0\0\0\0\0\0\x01\x7f\x01", b""] {
            assert!(handshake(bytes, &mut Vec::new()).await.is_err(), "{bytes:?}");
        }
        let older = [&greeting()[..10], &[2; 54]].concat();
        assert!(handshake(&older[..], &mut Vec::new()).await.is_err());
        let publisher = [&greeting()[..], b"\x04\x19\x05READY\x0bSocket-Type\0\0\0\x03PUB"].concat();
        assert!(handshake(&publisher[..], &mut Vec::new()).await.is_err());
        let requester = [&greeting()[..], b"\x04\x19\x05READY\x0bSocket-Type\0\0\0\x03REQ"].concat();
        assert!(handshake(&requester[..], &mut Vec::new()).await.is_ok());
    }

    #[test]
    fn properties_are_searched_within_their_bounds() {
        let both = b"\x08Identity\0\0\0\x02me\x0bsocket-type\0\0\0\x03REQ";
        assert_eq!(socket_type(both), Some(&b"REQ"[..]));
        for cut in 0..both.len() {
            assert_eq!(socket_type(&both[..cut]), None);
        }
        assert_eq!(socket_type(b"\x0bSocket-Type\xff\xff\xff\xffREQ"), None);
    }

    #[tokio::test]
    async fn replies_are_framed_by_their_length() {
        let mut wire = Vec::new();
        send(&mut wire, &envelope(&[b""]), &[b'x'; 255]).await.unwrap();
        assert_eq!(wire[..4], *b"\x01\x00\x00\xff");
        assert_eq!(wire.len(), 4 + 255);
        wire.clear();
        send(&mut wire, &envelope(&[]), &[b'x'; 256]).await.unwrap();
        assert_eq!(wire[..9], *b"\x02\0\0\0\0\0\0\x01\0");
    }
}
