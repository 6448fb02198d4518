//! One JSON frame in, one JSON frame out.
//!
//! A frame is read twice: first its `id` and `type`, then, into exactly the fields of that type, the rest. Nothing is buffered in
//! a generic tree, so a frame costs memory in proportion to its size. Large answers are written by [`crate::reply`].

use crate::{
    error::Refusal,
    reply::{Bytes, Writer},
    store::{StoreError, Ticket},
};
use enigma_protocol::{
    ipc::{Encoding, Failure, Response, ResponseFrame},
    limits::MAX_MESSAGE_BYTES,
};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{DeserializeOwned, IgnoredAny},
};
use serde_json::error::Category;
use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// An `id` is a correlation number, not a payload.
const MAX_ID_BYTES: usize = 256;
/// Longest text about a frame that came from outside.
const MAX_TEXT_BYTES: usize = 300;
/// The type of a reply to what has none.
const NO_TYPE: &str = "Error";

/// A frame whose `id` and `type` are known.
pub(crate) struct Frame<'a> {
    bytes: &'a [u8],
    id: &'a str,
    /// The request's type.
    pub(crate) request_type: &'a str,
    encoding: Encoding,
}

/// What a machine makes of a frame.
pub(crate) enum Answer {
    /// To be written down.
    Typed(Box<Response>),
    /// Written already.
    Written(Vec<u8>),
    /// To be written down, and not to leave before these writes are durable.
    WhenDurable(Box<Response>, Ticket),
}

/// The reply to a frame, which may have to wait for the store before it leaves.
pub struct Reply {
    text: Vec<u8>,
    pending: Option<Pending>,
}

/// What a reply waits for, and what is said in its place if that fails.
struct Pending {
    writes: Ticket,
    id: String,
    request_type: String,
}

impl From<Vec<u8>> for Reply {
    fn from(text: Vec<u8>) -> Self {
        Self { text, pending: None }
    }
}

impl Reply {
    fn settled(text: Vec<u8>, id: String, request_type: String, result: Result<(), StoreError>) -> Vec<u8> {
        match result {
            Ok(()) => text,
            Err(error) => failure(id, request_type, &error.into()),
        }
    }

    /// Waits until the reply may leave.
    pub fn wait(self) -> Vec<u8> {
        match self.pending {
            None => self.text,
            Some(Pending { writes, id, request_type }) => Self::settled(self.text, id, request_type, writes.wait()),
        }
    }

    /// Hands the reply over as soon as it may leave: now, or on the thread that makes its writes durable.
    pub fn when_durable(self, leave: impl FnOnce(Vec<u8>) + Send + 'static) {
        match self.pending {
            None => leave(self.text),
            Some(Pending { writes, id, request_type }) => {
                writes.on_settled(move |result| leave(Self::settled(self.text, id, request_type, result)));
            }
        }
    }
}

impl From<Response> for Answer {
    fn from(response: Response) -> Self {
        Self::Typed(response.into())
    }
}

#[derive(Deserialize)]
struct Header {
    id: String,
    #[serde(rename = "type")]
    request_type: String,
    #[serde(default)]
    encoding: EncodingField,
}

/// The field `encoding`, which may hold anything: that it is wrong is an answer to whom it concerns.
struct EncodingField(Option<Encoding>);

impl Default for EncodingField {
    fn default() -> Self {
        Self(Some(Encoding::Array))
    }
}

impl<'de> Deserialize<'de> for EncodingField {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = EncodingField;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`array` or `hex`")
            }
            fn visit_str<E>(self, text: &str) -> Result<EncodingField, E> {
                Ok(EncodingField(match text {
                    "array" => Some(Encoding::Array),
                    "hex" => Some(Encoding::Hex),
                    _ => None,
                }))
            }
            fn visit_unit<E>(self) -> Result<EncodingField, E> {
                Ok(EncodingField::default())
            }
            fn visit_bool<E>(self, _: bool) -> Result<EncodingField, E> {
                Ok(EncodingField(None))
            }
            fn visit_i64<E>(self, _: i64) -> Result<EncodingField, E> {
                Ok(EncodingField(None))
            }
            fn visit_u64<E>(self, _: u64) -> Result<EncodingField, E> {
                Ok(EncodingField(None))
            }
            fn visit_f64<E>(self, _: f64) -> Result<EncodingField, E> {
                Ok(EncodingField(None))
            }
            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut items: A) -> Result<EncodingField, A::Error> {
                while items.next_element::<IgnoredAny>()?.is_some() {}
                Ok(EncodingField(None))
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut fields: A) -> Result<EncodingField, A::Error> {
                while fields.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(EncodingField(None))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[derive(Deserialize)]
struct Body<T> {
    input: T,
}

#[derive(Deserialize)]
struct OptionalBody<T> {
    input: Option<T>,
}

impl Frame<'_> {
    /// Starts an answer that is written piece by piece.
    pub(crate) fn writer(&self) -> Writer {
        Writer::new(self.id, self.request_type, self.encoding)
    }

    /// The fields beside `id` and `type`.
    pub(crate) fn fields<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        serde_json::from_slice(self.bytes).map_err(|error| refusal(&error))
    }

    /// The field `input`.
    pub(crate) fn input<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        self.fields().map(|body: Body<T>| body.input)
    }

    /// The field `input` where it may be absent.
    pub(crate) fn optional_input<T: DeserializeOwned>(&self) -> Result<Option<T>, Refusal> {
        self.fields().map(|body: OptionalBody<T>| body.input)
    }
}

fn shorten(mut text: String, bytes: usize) -> String {
    while text.len() > bytes {
        text.pop();
    }
    text
}

fn refusal(error: &serde_json::Error) -> Refusal {
    let text = shorten(error.to_string(), MAX_TEXT_BYTES);
    match error.classify() {
        Category::Data => Refusal::Field(format!("a field is missing or wrong: {text}")),
        Category::Io | Category::Syntax | Category::Eof => Refusal::Json(text),
    }
}

fn header(bytes: &[u8]) -> Result<Header, Refusal> {
    if bytes.len() > MAX_MESSAGE_BYTES {
        return Err(Refusal::TooLarge { what: "the frame", actual: bytes.len(), limit: MAX_MESSAGE_BYTES });
    }
    // An array would be read as the fields in their order, which nobody means.
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return Err(Refusal::Json("expected an object".into()));
    }
    let header: Header = serde_json::from_slice(bytes).map_err(|error| refusal(&error))?;
    if header.id.len() > MAX_ID_BYTES {
        return Err(Refusal::TooLarge { what: "the id", actual: header.id.len(), limit: MAX_ID_BYTES });
    }
    Ok(header)
}

/// Answers one frame with what `machine` says to it.
pub(crate) fn answer<A: Into<Answer>>(bytes: &[u8], machine: impl FnOnce(&Frame<'_>) -> Result<A, Refusal>) -> Reply {
    let header = match header(bytes) {
        Err(refusal) => return failure(String::new(), NO_TYPE.into(), &refusal).into(),
        Ok(header) => header,
    };
    let Header { id, request_type, encoding } = &header;
    let result = match encoding.0 {
        None => Err(Refusal::Field("`encoding` must be `array` or `hex`".into())),
        Some(encoding) => {
            let frame = Frame { bytes, id, request_type, encoding };
            // A defect concerns one request: without its id the node would take the whole core for lost. What a panic leaves
            // behind locks is replaced as a whole or not at all.
            let result = catch_unwind(AssertUnwindSafe(|| machine(&frame))).unwrap_or(Err(Refusal::Defect));
            result.map(|answer| (answer.into(), encoding))
        }
    };
    match result {
        Ok((Answer::Written(reply), _)) => reply.into(),
        Ok((Answer::Typed(response), encoding)) => {
            encode(&ResponseFrame { id: header.id, response: *response }, encoding).into()
        }
        Ok((Answer::WhenDurable(response, writes), encoding)) => {
            let Header { id, request_type, .. } = header;
            let text = encode(&ResponseFrame { id: id.clone(), response: *response }, encoding);
            Reply { text, pending: Some(Pending { writes, id, request_type }) }
        }
        Err(refusal) => failure(header.id, shorten(header.request_type, MAX_ID_BYTES), &refusal).into(),
    }
}

fn failure(id: String, request_type: String, refusal: &Refusal) -> Vec<u8> {
    encode(&Failure { id, request_type, msg: refusal.to_string(), code: Some(refusal.code()) }, Encoding::Array)
}

fn encode(frame: &impl Serialize, encoding: Encoding) -> Vec<u8> {
    let mut text = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut text, Bytes(encoding));
    // Only maps with other keys than text cannot be written, and there are none.
    match frame.serialize(&mut serializer) {
        Ok(()) => text,
        Err(_) => Vec::new(),
    }
}

/// Whether a request executes a contract or changes what is stored, so that reads must not wait behind it.
pub fn is_computation(bytes: &[u8]) -> bool {
    header(bytes).is_ok_and(|header| {
        matches!(
            header.request_type.as_str(),
            "DeploySecretContract"
                | "ComputeTask"
                | "Query"
                | "UpdateNewContract"
                | "UpdateNewContractOnDeployment"
                | "RemoveContract"
                | "UpdateDeltas"
                | "RemoveDeltas"
                | "AdvanceQueue"
        )
    })
}

/// The reply to a request that waited too long for its turn.
pub fn busy(bytes: &[u8]) -> Vec<u8> {
    answer(bytes, |_| -> Result<Answer, _> { Err(Refusal::Busy) }).wait()
}

/// A type that neither machine answers.
pub(crate) fn unanswered(request_type: &str) -> Refusal {
    Refusal::UnknownType(shorten(request_type.into(), MAX_ID_BYTES))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_defect_is_answered_to_whom_it_concerns() {
        let reply = answer(br#"{"id":"7","type":"ComputeTask"}"#, |_| -> Result<Answer, _> { panic!("plaintext") });
        let failure: Failure = serde_json::from_slice(&reply.wait()).unwrap();
        assert_eq!((failure.id.as_str(), failure.request_type.as_str(), failure.code), ("7", "ComputeTask", Some(5)));
        assert!(!failure.msg.contains("plaintext"), "what a panic says may hold anything");
    }
}
