//! The smallest ZeroMQ requester: ZMTP 3.0 over a blocking TCP socket, so that the measuring side takes little of the processor.
//!
//! Requests are laid out as bytes before the clock starts. Deliberately absent: reconnecting, commands, other mechanisms than NULL.

use anyhow::{Context, Result, ensure};
use std::{
    io::{BufReader, Read, Write},
    net::TcpStream,
    time::Duration,
};

/// A core that does not answer within this time is a failure of the benchmark.
const PATIENCE: Duration = Duration::from_secs(60);

const GREETING_BYTES: usize = 64;
const MORE: u8 = 1;
const LONG: u8 = 2;
const COMMAND: u8 = 4;

/// The kind of socket that the core sees.
#[derive(Clone, Copy)]
pub enum Kind {
    /// One request at a time.
    Req,
    /// Many at a time; replies come as they are ready.
    Dealer,
}

/// A message as it goes over the wire: the empty delimiter, then the body.
pub fn message(body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(body.len() + 11);
    bytes.extend([MORE, 0]);
    match u8::try_from(body.len()) {
        Ok(length) => bytes.extend([0, length]),
        Err(_) => {
            bytes.push(LONG);
            bytes.extend((body.len() as u64).to_be_bytes());
        }
    }
    bytes.extend(body);
    bytes
}

/// The sending half of a connection.
pub struct Sender(TcpStream);

impl Sender {
    /// Sends a [`message`].
    pub fn send(&mut self, message: &[u8]) -> Result<()> {
        self.0.write_all(message).context("the core closed a connection")
    }
}

/// The receiving half of a connection.
pub struct Receiver(BufReader<TcpStream>);

impl Receiver {
    /// Waits for the next reply and returns its body.
    pub fn receive(&mut self) -> Result<Vec<u8>> {
        loop {
            let (flags, body) = self.frame().context("no reply came from the core")?;
            ensure!(flags & COMMAND == 0, "the core sent a command instead of a reply");
            if flags & MORE == 0 {
                return Ok(body);
            }
        }
    }

    fn frame(&mut self) -> Result<(u8, Vec<u8>)> {
        let mut head = [0; 2];
        self.0.read_exact(&mut head)?;
        let [flags, short] = head;
        let length = if flags & LONG == 0 {
            u64::from(short)
        } else {
            let mut rest = [0; 8];
            rest[0] = short;
            self.0.read_exact(&mut rest[1..])?;
            u64::from_be_bytes(rest)
        };
        let mut body = vec![0; usize::try_from(length)?];
        self.0.read_exact(&mut body)?;
        Ok((flags, body))
    }
}

/// Connects to `tcp://…`.
pub fn connect(endpoint: &str, kind: Kind) -> Result<(Sender, Receiver)> {
    let address = endpoint.strip_prefix("tcp://").context("the core listens on something else than TCP")?;
    let mut stream = TcpStream::connect(address).with_context(|| format!("nobody listens at {endpoint}"))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;

    let mut greeting = [0; GREETING_BYTES];
    greeting[0] = 0xff;
    greeting[9..16].copy_from_slice(b"\x7f\x03\x00NULL");
    let socket_type: &[u8] = match kind {
        Kind::Req => b"REQ",
        Kind::Dealer => b"DEALER",
    };
    let ready = [b"\x05READY\x0bSocket-Type", &(socket_type.len() as u32).to_be_bytes()[..], socket_type].concat();
    stream.write_all(&greeting)?;
    stream.write_all(&[&[COMMAND, u8::try_from(ready.len())?], &ready[..]].concat())?;

    let mut receiver = Receiver(BufReader::with_capacity(64 << 10, stream.try_clone()?));
    receiver.0.read_exact(&mut [0; GREETING_BYTES])?;
    let (flags, _) = receiver.frame()?;
    ensure!(flags & COMMAND != 0, "the core did not answer the handshake");
    Ok((Sender(stream), receiver))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_laid_out_as_zmtp_says() {
        assert_eq!(message(b"ab"), b"\x01\x00\x00\x02ab");
        let long = message(&[7; 256]);
        assert_eq!((&long[..11], long.len()), (&b"\x01\x00\x02\0\0\0\0\0\0\x01\0"[..], 11 + 256));
    }
}
