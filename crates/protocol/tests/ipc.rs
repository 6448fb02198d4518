//! The messages between node and core are those of `spec/ipc.md` and of its vectors, and the other way round.
//!
//! Every request is read and written again without a difference, and so is every reply; the examples of the document name every
//! field that the vectors, which real machines wrote, have. The shape of all messages is locked: whoever changes a field of the
//! module changes [`SHAPE`], and sees here what else speaks of it.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use enigma_protocol::{
    hash::keccak256,
    ipc::{Failure, ReplyFrame, Request, RequestFrame, ResponseFrame},
};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const DOCUMENT: &str = include_str!("../../../spec/ipc.md");
const VECTORS: &str = include_str!("../../../spec/vectors/ipc.json");

/// keccak-256 of all types, fields and kinds of values in the examples of the document.
const SHAPE: &str = "527bfed36fcbdabce71622e831cdef22b2de4fd8a002425fdabc5e5ab2e3869d";

/// The requests of the published set.
const PUBLISHED: [&str; 18] = [
    "GetRegistrationParams",
    "GetTip",
    "GetTips",
    "GetAllTips",
    "GetAllAddrs",
    "GetDelta",
    "GetDeltas",
    "GetContract",
    "UpdateNewContract",
    "UpdateNewContractOnDeployment",
    "RemoveContract",
    "UpdateDeltas",
    "RemoveDeltas",
    "GetPTTRequest",
    "PTTResponse",
    "NewTaskEncryptionKey",
    "DeploySecretContract",
    "ComputeTask",
];
/// What this version adds.
const ADDED: [&str; 7] =
    ["GetSnapshot", "AdvanceQueue", "Query", "SignBatch", "SetLedgerView", "AnswerPTTRequest", "SignEpoch"];

const RECORD: &str = r#"{"sc":"0x…","sender":"0x…","senderNonce":0,"inputsHash":"0x…","timestamp":0,"prevrandao":"0x…",
    "inlined":false,"gasLimit":0,"gasPrice":"0","value":"0","callGas":0,"epoch":0,"blockNumber":0,"due":0,"recordIndex":0}"#;
const RECEIPT: &str = r#"{"taskId":"0x…","sc":"0x…","recordIndex":0,"deltaIndex":0,"epoch":0,"rank":0,"generation":0,
    "exeCodeHash":"0x…","inputsHash":"0x…","previousTip":"0x…","tip":"0x…","outputHash":"0x…","gasUsed":0,"status":0,
    "callTarget":"0x…","callDataHash":"0x…","callGas":0,"payTo":"0x…","payAmount":"0"}"#;

/// The name of the field in which `at` stands.
fn field_at(text: &str, at: usize) -> &str {
    let end = text[..at].rfind("\":").unwrap();
    &text[text[..end].rfind('"').unwrap() + 1..end]
}

/// An example with digits where it has an ellipsis.
fn filled(example: &str) -> Value {
    let mut text = example.to_owned();
    while let Some(at) = text.find("{…}") {
        let object = if field_at(&text, at) == "record" { RECORD } else { RECEIPT };
        text.replace_range(at..at + "{…}".len(), object);
    }
    while let Some(at) = text.find('…') {
        let bytes = match field_at(&text, at) {
            "operator" | "signer" | "signingKey" | "sender" | "ethereumAddress" | "callTarget" | "payTo" => 20,
            "signature" | "workerSig" => 65,
            _ => 32,
        };
        text.replace_range(at..at + '…'.len_utf8(), &"5a".repeat(bytes));
    }
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The examples of the document: each begins a line of a block of JSON, and may go on in the next ones.
fn examples() -> Vec<Value> {
    let mut examples: Vec<String> = Vec::new();
    for block in DOCUMENT.split("```json\n").skip(1) {
        for line in block.split("```").next().unwrap().lines() {
            match line.starts_with('{') {
                true => examples.push(line.into()),
                false => examples.last_mut().unwrap().push_str(line.trim()),
            }
        }
    }
    examples.iter().map(|example| filled(example)).collect()
}

fn exchanges() -> Vec<Value> {
    let vectors: Value = serde_json::from_str(VECTORS).unwrap();
    vectors["exchanges"].as_array().unwrap().clone()
}

fn is_reply(frame: &Value) -> bool {
    frame.get("result").is_some() || frame.get("msg").is_some()
}

fn check_request(frame: &Value) {
    let request: RequestFrame = serde_json::from_value(frame.clone()).unwrap_or_else(|e| panic!("{e}: {frame}"));
    assert_eq!(&serde_json::to_value(request).unwrap(), frame);
}

fn check_reply(frame: &Value) {
    let written = match serde_json::from_value(frame.clone()).unwrap_or_else(|e| panic!("{e}: {frame}")) {
        ReplyFrame::Failure(failure) => serde_json::to_value::<Failure>(failure),
        ReplyFrame::Response(response) => serde_json::to_value::<ResponseFrame>(response),
    };
    assert_eq!(written.unwrap(), arrays(frame.clone()), "{frame}");
}

/// Large byte fields as arrays, which is how this module writes them.
fn arrays(mut value: Value) -> Value {
    match &mut value {
        Value::Object(fields) => {
            let is_code = fields.contains_key("preCodeHash");
            for (name, field) in fields.iter_mut() {
                let large = ["data", "delta", "bytecode"].contains(&name.as_str()) || (is_code && name == "output");
                *field = match field.as_str() {
                    Some(text) if large => hex::decode(text).unwrap().into(),
                    _ => arrays(field.take()),
                };
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| *item = arrays(item.take())),
        _ => {}
    }
    value
}

/// Where values stand in a frame, and of which kind they are; bytes are bytes in either form.
fn shape(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    let large = ["data", "delta", "bytecode", "preCode"].iter().any(|name| path.ends_with(&format!(".{name}")))
        || path == "DeploySecretContract reply.result.output";
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                shape(field, &format!("{path}.{name}"), found);
            }
        }
        _ if large => drop(found.insert(format!("{path}: bytes"))),
        Value::Array(items) => items.iter().for_each(|item| shape(item, &format!("{path}[]"), found)),
        Value::String(_) => drop(found.insert(format!("{path}: text"))),
        Value::Number(_) => drop(found.insert(format!("{path}: number"))),
        Value::Bool(_) => drop(found.insert(format!("{path}: bool"))),
        Value::Null => panic!("{path} is null"),
    }
}

fn shape_of<'a>(frames: impl IntoIterator<Item = &'a Value>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for frame in frames {
        let direction = if is_reply(frame) { "reply" } else { "request" };
        shape(frame, &format!("{} {direction}", frame["type"].as_str().unwrap()), &mut found);
    }
    found
}

#[test]
fn every_example_of_the_document_is_read_and_written_again() {
    let mut directions: BTreeMap<String, BTreeSet<bool>> = BTreeMap::new();
    for frame in examples() {
        match is_reply(&frame) {
            true => check_reply(&frame),
            false => check_request(&frame),
        }
        directions.entry(frame["type"].as_str().unwrap().into()).or_default().insert(is_reply(&frame));
    }
    let expected: BTreeSet<&str> = PUBLISHED.into_iter().chain(ADDED).chain(["FailedTask", "Error"]).collect();
    assert_eq!(directions.keys().map(String::as_str).collect::<BTreeSet<_>>(), expected);
    for request_type in PUBLISHED.into_iter().chain(ADDED) {
        assert_eq!(directions[request_type].len(), 2, "{request_type} has a request and a reply");
    }
}

#[test]
fn every_vector_is_read_and_written_again() {
    let (mut asked, mut answered) = (BTreeSet::new(), BTreeSet::new());
    for exchange in exchanges() {
        let (request, reply) = (&exchange["request"], &exchange["reply"]);
        // What is no request of the module is answered with an error.
        if serde_json::from_value::<RequestFrame>(request.clone()).is_ok() {
            check_request(&same_form(request));
            assert_eq!(request["id"], reply["id"]);
        } else {
            assert!(reply["code"].is_u64(), "{exchange}");
        }
        check_reply(reply);
        let known = PUBLISHED.into_iter().chain(ADDED).find(|known| request["type"] == *known);
        asked.extend(known);
        if reply.get("result").is_some() {
            answered.insert(reply["type"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(asked.len(), PUBLISHED.len() + ADDED.len());
    // A snapshot would take too much room here.
    let expected = PUBLISHED.into_iter().chain(ADDED).chain(["FailedTask"]).filter(|name| *name != "GetSnapshot");
    assert_eq!(answered, expected.map(str::to_owned).collect());
}

/// A request with bytes in the form that this module writes.
fn same_form(request: &Value) -> Value {
    let mut request = request.clone();
    for place in ["/input/preCode", "/bytecode", "/delta/data", "/deltas/0/data"] {
        if let Some(field) = request.pointer_mut(place)
            && let Some(text) = field.as_str()
        {
            *field = hex::decode(text).unwrap().into();
        }
    }
    request
}

#[test]
fn the_document_names_every_field_that_machines_write() {
    let examples = examples();
    let documented = shape_of(&examples);
    let exchanges = exchanges();
    let frames = exchanges.iter().flat_map(|exchange| [&exchange["request"], &exchange["reply"]]);
    let frames: Vec<_> = frames.filter(|frame| frame.is_object() && frame["type"] != "Nonsense").collect();
    // Errors have one form for all types, and options stand beside any request.
    let common = |line: &str| {
        [".msg: text", ".code: number", ".encoding: text", ".limit: number", ".offset: number", ".after: text"]
            .iter()
            .any(|end| line.ends_with(end) && line.matches('.').count() == 1)
    };
    let missing: Vec<_> =
        shape_of(frames).into_iter().filter(|line| !documented.contains(line) && !common(line)).collect();
    assert_eq!(missing, Vec::<String>::new());
}

#[test]
fn the_shape_of_all_messages_is_locked() {
    let shape: Vec<_> = shape_of(&examples()).into_iter().collect();
    let lines = shape.join("\n");
    assert_eq!(hex::encode(keccak256(&lines).0), SHAPE, "the messages of spec/ipc.md have changed; now:\n{lines}");
}

/// A new request has to be added to the lists above, to the document and to the vectors.
#[test]
fn every_request_of_the_module_is_listed() {
    fn listed(request: &Request) -> &'static str {
        match request {
            Request::GetRegistrationParams { .. } => PUBLISHED[0],
            Request::GetTip { .. } => PUBLISHED[1],
            Request::GetTips { .. } => PUBLISHED[2],
            Request::GetAllTips {} => PUBLISHED[3],
            Request::GetAllAddrs {} => PUBLISHED[4],
            Request::GetDelta { .. } => PUBLISHED[5],
            Request::GetDeltas { .. } => PUBLISHED[6],
            Request::GetContract { .. } => PUBLISHED[7],
            Request::UpdateNewContract { .. } => PUBLISHED[8],
            Request::UpdateNewContractOnDeployment { .. } => PUBLISHED[9],
            Request::RemoveContract { .. } => PUBLISHED[10],
            Request::UpdateDeltas { .. } => PUBLISHED[11],
            Request::RemoveDeltas { .. } => PUBLISHED[12],
            Request::GetPTTRequest { .. } => PUBLISHED[13],
            Request::PTTResponse { .. } => PUBLISHED[14],
            Request::NewTaskEncryptionKey { .. } => PUBLISHED[15],
            Request::DeploySecretContract { .. } => PUBLISHED[16],
            Request::ComputeTask { .. } => PUBLISHED[17],
            Request::GetSnapshot { .. } => ADDED[0],
            Request::AdvanceQueue { .. } => ADDED[1],
            Request::Query { .. } => ADDED[2],
            Request::SignBatch { .. } => ADDED[3],
            Request::SetLedgerView { .. } => ADDED[4],
            Request::AnswerPTTRequest { .. } => ADDED[5],
            Request::SignEpoch { .. } => ADDED[6],
        }
    }
    for exchange in exchanges() {
        if let Ok(frame) = serde_json::from_value::<RequestFrame>(exchange["request"].clone()) {
            assert_eq!(exchange["request"]["type"], listed(&frame.request));
        }
    }
}
