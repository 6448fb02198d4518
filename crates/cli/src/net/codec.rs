//! How a message travels: four bytes of length, big-endian, then so many bytes. The acknowledgement is an empty frame.
//!
//! A frame longer than the bound is refused at its header; memory grows with what has arrived, never with what was announced.

use enigma_protocol::limits::MAX_MESSAGE_BYTES;
use libp2p::{
    StreamProtocol,
    futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    request_response,
};
use std::io;

/// First allocation for a frame; larger ones grow as their bytes arrive.
const FIRST_CHUNK_BYTES: usize = 16 << 10;

/// Frames of at most [`MAX_MESSAGE_BYTES`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Codec;

/// The answer to every message: it has arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acknowledgement;

async fn read_frame<T: AsyncRead + Unpin + Send>(io: &mut T, limit: usize) -> io::Result<Vec<u8>> {
    let mut header = [0; 4];
    io.read_exact(&mut header).await?;
    let length = usize::try_from(u32::from_be_bytes(header)).unwrap_or(usize::MAX);
    if length > limit {
        let text = format!("a frame of {length} bytes exceeds the {limit} allowed");
        return Err(io::Error::new(io::ErrorKind::InvalidData, text));
    }
    let mut frame = Vec::with_capacity(length.min(FIRST_CHUNK_BYTES));
    io.take(length as u64).read_to_end(&mut frame).await?;
    if frame.len() < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(frame)
}

async fn write_frame<T: AsyncWrite + Unpin + Send>(io: &mut T, frame: &[u8]) -> io::Result<()> {
    let length = u32::try_from(frame.len()).ok().filter(|_| frame.len() <= MAX_MESSAGE_BYTES);
    let Some(length) = length else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the message exceeds the bound of a frame"));
    };
    io.write_all(&length.to_be_bytes()).await?;
    io.write_all(frame).await?;
    io.flush().await
}

/// At level `trace`, what peers exchange inside their encrypted connection: ciphertext and hashes only, which tests search.
fn trace_wire(direction: &str, message: &[u8]) {
    if tracing::enabled!(target: "enigma::wire", tracing::Level::TRACE) {
        tracing::trace!(target: "enigma::wire", direction, bytes = hex::encode(message));
    }
}

impl request_response::Codec for Codec {
    type Protocol = StreamProtocol;
    type Request = Vec<u8>;
    type Response = Acknowledgement;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        let message = read_frame(io, MAX_MESSAGE_BYTES).await?;
        trace_wire("received", &message);
        Ok(message)
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Acknowledgement>
    where
        T: AsyncRead + Unpin + Send,
    {
        read_frame(io, 0).await.map(|_| Acknowledgement)
    }

    async fn write_request<T>(&mut self, _: &StreamProtocol, io: &mut T, message: Vec<u8>) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        trace_wire("sent", &message);
        write_frame(io, &message).await
    }

    async fn write_response<T>(&mut self, _: &StreamProtocol, io: &mut T, _: Acknowledgement) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write_frame(io, &[]).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use libp2p::futures::{executor::block_on, io::Cursor};

    fn read(bytes: &[u8], limit: usize) -> io::Result<Vec<u8>> {
        block_on(read_frame(&mut Cursor::new(bytes), limit))
    }

    #[test]
    fn frames_round_trip() {
        for length in [0, 1, FIRST_CHUNK_BYTES + 1, MAX_MESSAGE_BYTES] {
            let message = vec![7; length];
            let mut wire = Vec::new();
            block_on(write_frame(&mut wire, &message)).unwrap();
            assert_eq!(wire.len(), length + 4);
            assert!(read(&wire, MAX_MESSAGE_BYTES).unwrap() == message);
        }
    }

    #[test]
    fn what_is_too_long_is_refused_at_its_header() {
        let announced = u32::try_from(MAX_MESSAGE_BYTES + 1).unwrap();
        let refused = read(&announced.to_be_bytes(), MAX_MESSAGE_BYTES).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::InvalidData);
        assert_eq!(read(&u32::MAX.to_be_bytes(), MAX_MESSAGE_BYTES).unwrap_err().kind(), io::ErrorKind::InvalidData);
        // An acknowledgement carries nothing.
        assert_eq!(read(&[0, 0, 0, 1, 7], 0).unwrap_err().kind(), io::ErrorKind::InvalidData);

        let mut wire = Vec::new();
        let refused = block_on(write_frame(&mut wire, &vec![0; MAX_MESSAGE_BYTES + 1])).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::InvalidInput);
        assert!(wire.is_empty());
    }

    #[test]
    fn what_ends_early_is_an_error() {
        for wire in [&[][..], &[0, 0], &[0, 0, 0, 2], &[0, 0, 0, 2, 7]] {
            assert_eq!(read(wire, MAX_MESSAGE_BYTES).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        }
    }
}
