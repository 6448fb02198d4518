//! Writing replies: byte fields in either encoding, and large answers piece by piece.
//!
//! An answer made of many stored values is written straight into the text of the reply, value by value, so that it is held
//! once and not beside its own parts. What would exceed a frame is taken back: the caller ends the page there, or refuses.

use crate::{error::Refusal, frame::Answer};
use enigma_protocol::{ScAddress, ipc::Encoding, limits::MAX_MESSAGE_BYTES};
use serde::Serialize;
use serde_json::ser::Formatter;
use std::io;

/// Room that is kept for what ends a reply, `next` of a short form included.
const ENDING_BYTES: usize = 512;
const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Writes byte fields as an array of numbers or as hexadecimal digits; everything else as JSON does.
pub(crate) struct Bytes(pub(crate) Encoding);

impl Formatter for Bytes {
    fn write_byte_array<W: ?Sized + io::Write>(&mut self, writer: &mut W, bytes: &[u8]) -> io::Result<()> {
        // By blocks: a number or two digits at a time would cost a call each.
        let mut text = Vec::with_capacity(bytes.len().min(1 << 12).saturating_mul(4).saturating_add(2));
        let (open, close) = match self.0 {
            Encoding::Array => (b"[", b"]"),
            Encoding::Hex => (b"\"", b"\""),
        };
        text.extend(open);
        let mut first = true;
        for block in bytes.chunks(1 << 12) {
            for byte in block {
                match self.0 {
                    Encoding::Array => push_number(&mut text, *byte, std::mem::take(&mut first)),
                    Encoding::Hex => push_digits(&mut text, *byte),
                }
            }
            writer.write_all(&text)?;
            text.clear();
        }
        text.extend(close);
        writer.write_all(&text)
    }
}

fn push_number(text: &mut Vec<u8>, byte: u8, first: bool) {
    if !first {
        text.push(b',');
    }
    if byte >= 100 {
        text.push(b'0'.wrapping_add(byte / 100));
    }
    if byte >= 10 {
        text.push(b'0'.wrapping_add(byte / 10 % 10));
    }
    text.push(b'0'.wrapping_add(byte % 10));
}

fn push_digits(text: &mut Vec<u8>, byte: u8) {
    for digit in [byte >> 4, byte & 15] {
        text.extend(DIGITS.get(usize::from(digit)));
    }
}

/// A place in a reply to come back to.
#[derive(Clone, Copy)]
pub(crate) struct Mark(usize);

/// A reply that is being written: an object in an object, with arrays as the caller opens them.
pub(crate) struct Writer {
    text: Vec<u8>,
    encoding: Encoding,
    reserved: usize,
}

impl Writer {
    /// A reply up to and including the brace of `result`.
    pub(crate) fn new(id: &str, request_type: &str, encoding: Encoding) -> Self {
        let mut writer = Self { text: b"{".to_vec(), encoding, reserved: ENDING_BYTES };
        writer.field("id", &id);
        writer.field("type", &request_type);
        writer.open("result", b'{');
        writer
    }

    /// Keeps room for a long ending.
    pub(crate) fn reserve(&mut self, bytes: usize) {
        self.reserved = self.reserved.saturating_add(bytes);
    }

    fn separate(&mut self) {
        if !matches!(self.text.last(), Some(b'{' | b'[') | None) {
            self.text.push(b',');
        }
    }

    fn name(&mut self, name: &str) {
        self.separate();
        self.value(&name);
        self.text.push(b':');
    }

    fn value(&mut self, value: &impl Serialize) {
        let mut serializer = serde_json::Serializer::with_formatter(&mut self.text, Bytes(self.encoding));
        // Writing plain values to memory cannot fail.
        let _ = value.serialize(&mut serializer);
    }

    /// A field of the object that is open.
    pub(crate) fn field(&mut self, name: &str, value: &impl Serialize) {
        self.name(name);
        self.value(value);
    }

    /// A field of bytes.
    pub(crate) fn bytes(&mut self, name: &str, bytes: &[u8]) {
        self.name(name);
        // The formatter writes to memory, which cannot fail.
        let _ = Bytes(self.encoding).write_byte_array(&mut self.text, bytes);
    }

    /// An item of the array that is open.
    pub(crate) fn item(&mut self, value: &impl Serialize) {
        self.separate();
        self.value(value);
    }

    /// Opens a field that is an object (`{`) or an array (`[`).
    pub(crate) fn open(&mut self, name: &str, bracket: u8) {
        self.name(name);
        self.text.push(bracket);
    }

    /// Opens an item that is an object.
    pub(crate) fn open_item(&mut self) {
        self.separate();
        self.text.push(b'{');
    }

    /// Closes what is open.
    pub(crate) fn close(&mut self, bracket: u8) {
        self.text.push(bracket);
    }

    /// Where the reply is now.
    pub(crate) fn mark(&self) -> Mark {
        Mark(self.text.len())
    }

    /// Takes back everything since `mark`.
    pub(crate) fn back_to(&mut self, mark: Mark) {
        self.text.truncate(mark.0);
    }

    /// Whether what was written fits a frame; if not, everything since `mark` is taken back.
    pub(crate) fn keep(&mut self, mark: Mark) -> bool {
        let fits = self.text.len().saturating_add(self.reserved) <= MAX_MESSAGE_BYTES;
        if !fits {
            self.back_to(mark);
        }
        fits
    }

    /// An item of deltas; whether it fits.
    pub(crate) fn delta(&mut self, sc: ScAddress, key: u64, data: &[u8]) -> bool {
        let mark = self.mark();
        self.open_item();
        self.field("address", &enigma_protocol::json::Hex(sc));
        self.field("key", &key);
        self.bytes("data", data);
        self.close(b'}');
        self.keep(mark)
    }

    /// The finished reply.
    pub(crate) fn finish(mut self) -> Result<Answer, Refusal> {
        self.close(b'}');
        self.close(b'}');
        if self.text.len() > MAX_MESSAGE_BYTES {
            return Err(Refusal::ReplyTooLarge);
        }
        Ok(Answer::Written(self.text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use enigma_protocol::json::ByteArray;

    fn written(bytes: &[u8], encoding: Encoding) -> String {
        let mut text = Vec::new();
        let mut serializer = serde_json::Serializer::with_formatter(&mut text, Bytes(encoding));
        ByteArray(bytes.to_vec()).serialize(&mut serializer).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn both_encodings_of_all_bytes() {
        let all: Vec<u8> = (0..=255).cycle().take(10_000).collect();
        for bytes in [&[][..], &[0], &[0, 9, 10, 99, 100, 255], &all] {
            assert_eq!(written(bytes, Encoding::Array), serde_json::to_string(bytes).unwrap());
            let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(written(bytes, Encoding::Hex), format!("\"{digits}\""));
        }
    }

    #[test]
    fn what_does_not_fit_is_taken_back() {
        let mut writer = Writer::new("i\"d", "GetTips", Encoding::Hex);
        writer.open("tips", b'[');
        assert!(writer.delta(ScAddress([1; 32]), 7, &[0xab; 3]));
        assert!(!writer.delta(ScAddress([1; 32]), 8, &vec![0; MAX_MESSAGE_BYTES / 2]));
        assert!(writer.delta(ScAddress([2; 32]), 9, &[]));
        writer.close(b']');
        let Ok(Answer::Written(text)) = writer.finish() else { panic!() };
        let expected = format!(
            r#"{{"id":"i\"d","type":"GetTips","result":{{"tips":[{{"address":"{}","key":7,"data":"ababab"}},{{"address":"{}","key":9,"data":""}}]}}}}"#,
            "01".repeat(32),
            "02".repeat(32)
        );
        assert_eq!(String::from_utf8(text).unwrap(), expected);
    }
}
