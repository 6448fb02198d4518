//! One JSON frame in, one JSON frame out.
//!
//! A frame is read twice: first its `id` and `type`, then, into exactly the fields of that type, the rest. Nothing is buffered in
//! a generic tree, so a frame costs memory in proportion to its size.

use crate::error::Refusal;
use enigma_protocol::{
    ipc::{Failure, Response, ResponseFrame},
    limits::MAX_MESSAGE_BYTES,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::error::Category;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// An `id` is a correlation number, not a payload.
const MAX_ID_BYTES: usize = 256;
/// Longest text about a frame that came from outside.
const MAX_TEXT_BYTES: usize = 300;
/// The type of a reply to what has none.
const NO_TYPE: &str = "Error";

/// A frame whose `id` and `type` are known.
pub(crate) struct Frame<'a> {
    bytes: &'a [u8],
    /// The request's type.
    pub(crate) request_type: &'a str,
}

#[derive(Deserialize)]
struct Header {
    id: String,
    #[serde(rename = "type")]
    request_type: String,
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
pub(crate) fn answer(bytes: &[u8], machine: impl FnOnce(&Frame<'_>) -> Result<Response, Refusal>) -> Vec<u8> {
    let (id, request_type, result) = match header(bytes) {
        Err(refusal) => (String::new(), NO_TYPE.into(), Err(refusal)),
        Ok(Header { id, request_type }) => {
            let frame = Frame { bytes, request_type: &request_type };
            // A defect concerns one request: without its id the node would take the whole core for lost. What a panic leaves
            // behind locks is replaced as a whole or not at all.
            let result = catch_unwind(AssertUnwindSafe(|| machine(&frame))).unwrap_or(Err(Refusal::Defect));
            (id, request_type, result)
        }
    };
    match result {
        Ok(response) => encode(&ResponseFrame { id, response }),
        Err(refusal) => {
            let request_type = shorten(request_type, MAX_ID_BYTES);
            encode(&Failure { id, request_type, msg: refusal.to_string(), code: Some(refusal.code()) })
        }
    }
}

fn encode(frame: &impl Serialize) -> Vec<u8> {
    // Only maps with other keys than text cannot be written, and there are none.
    serde_json::to_vec(frame).unwrap_or_default()
}

/// A type that neither machine answers: known and not part of this version, or not known at all.
pub(crate) fn unanswered(request_type: &str) -> Refusal {
    let name = shorten(request_type.into(), MAX_ID_BYTES);
    match request_type {
        "UpdateNewContract" | "UpdateNewContractOnDeployment" | "RemoveContract" | "UpdateDeltas" | "RemoveDeltas" => {
            Refusal::Unsupported(name)
        }
        _ => Refusal::UnknownType(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_defect_is_answered_to_whom_it_concerns() {
        let reply = answer(br#"{"id":"7","type":"ComputeTask"}"#, |_| panic!("plaintext"));
        let failure: Failure = serde_json::from_slice(&reply).unwrap();
        assert_eq!((failure.id.as_str(), failure.request_type.as_str(), failure.code), ("7", "ComputeTask", Some(5)));
        assert!(!failure.msg.contains("plaintext"), "what a panic says may hold anything");
    }
}
