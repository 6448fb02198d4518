//! Frames that nobody should send: always a reply, never a crash.

use crate::{harness::*, path::network};
use enigma_protocol::{
    ipc::{Failure, Request},
    json::Hex,
};
use proptest::prelude::*;

fn failure(machine: &dyn Machine, frame: &[u8]) -> Failure {
    serde_json::from_slice(&machine.handle(frame)).expect("a refusal is a general error")
}

#[test]
fn malformed_frames() {
    let (network, _, worker) = network();
    let nested = "[".repeat(100_000);
    let address = "5c".repeat(32);
    let cases: &[(&str, u16, &str, &str)] = &[
        ("", 1, "", "Error"),
        ("not json", 1, "", "Error"),
        ("{", 1, "", "Error"),
        ("null", 1, "", "Error"),
        ("5", 1, "", "Error"),
        (r#"["1","GetAllAddrs"]"#, 1, "", "Error"),
        (r#"{"id":"1","type":"GetAllAddrs"} {}"#, 1, "", "Error"),
        (&nested, 1, "", "Error"),
        (r#"{"id":"1","type":"GetAllAddrs","x":"#, 1, "", "Error"),
        ("\u{0}", 1, "", "Error"),
        (r#"{"id":"1"}"#, 3, "", "Error"),
        (r#"{"type":"GetAllAddrs"}"#, 3, "", "Error"),
        (r#"{"id":1,"type":"GetAllAddrs"}"#, 3, "", "Error"),
        (r#"{"id":"1","type":5}"#, 3, "", "Error"),
        (r#"{"id":"1","id":"2","type":"GetAllAddrs"}"#, 3, "", "Error"),
        (r#"{"id":"1","type":"Nonsense"}"#, 2, "1", "Nonsense"),
        (r#"{"id":"1","type":""}"#, 2, "1", ""),
        (r#"{"id":"1","type":"UpdateDeltas"}"#, 3, "1", "UpdateDeltas"),
        (r#"{"id":"1","type":"RemoveContract"}"#, 3, "1", "RemoveContract"),
        (r#"{"id":"1","type":"GetTip"}"#, 3, "1", "GetTip"),
        (r#"{"id":"1","type":"GetTip","input":[]}"#, 3, "1", "GetTip"),
        (r#"{"id":"1","type":"GetTip","input":["00"]}"#, 3, "1", "GetTip"),
        (r#"{"id":"1","type":"GetTip","input":["zz"]}"#, 3, "1", "GetTip"),
        (r#"{"id":"1","type":"GetTip","input":5}"#, 3, "1", "GetTip"),
        (r#"{"id":"1","type":"GetDelta","input":[{"address":"00"}]}"#, 3, "1", "GetDelta"),
        (r#"{"id":"1","type":"GetDelta","input":[{"address":"$","key":-1}]}"#, 3, "1", "GetDelta"),
        (r#"{"id":"1","type":"GetDelta","input":[{"address":"$","key":1e30}]}"#, 3, "1", "GetDelta"),
        (r#"{"id":"1","type":"GetDelta","input":[{"address":"$","key":18446744073709551616}]}"#, 3, "1", "GetDelta"),
        (r#"{"id":"1","type":"ComputeTask"}"#, 3, "1", "ComputeTask"),
        (r#"{"id":"1","type":"ComputeTask","input":{}}"#, 3, "1", "ComputeTask"),
        (r#"{"id":"1","type":"DeploySecretContract","input":{"preCode":[256]}}"#, 3, "1", "DeploySecretContract"),
        (r#"{"id":"1","type":"DeploySecretContract","input":{"preCode":[1,2]}}"#, 3, "1", "DeploySecretContract"),
        (r#"{"id":"1","type":"NewTaskEncryptionKey"}"#, 3, "1", "NewTaskEncryptionKey"),
        (r#"{"id":"1","type":"NewTaskEncryptionKey","userPubKey":"zz"}"#, 3, "1", "NewTaskEncryptionKey"),
        (r#"{"id":"1","type":"NewTaskEncryptionKey","userPubKey":"00","epoch":1}"#, 3, "1", "NewTaskEncryptionKey"),
        (r#"{"id":"1","type":"GetPTTRequest","input":{"addresses":[]}}"#, 3, "1", "GetPTTRequest"),
        (r#"{"id":"1","type":"PTTResponse","input":{"response":"00"}}"#, 15, "1", "PTTResponse"),
        (
            r#"{"id":"1","type":"SignBatch","input":{"contractAddress":"$","firstRecordIndex":0,"count":1}}"#,
            13,
            "1",
            "SignBatch",
        ),
        (r#"{"id":"1","type":"GetRegistrationParams","input":{"operator":"00"}}"#, 3, "1", "GetRegistrationParams"),
        (r#"{"id":"1","type":"SignEpoch"}"#, 17, "1", "SignEpoch"),
        (r#"{"id":"1","type":"SetLedgerView"}"#, 17, "1", "SetLedgerView"),
        (r#"{"id":"1","type":"AnswerPTTRequest"}"#, 17, "1", "AnswerPTTRequest"),
    ];
    for (text, code, id, request_type) in cases {
        let frame = text.replace('$', &address);
        let failure = failure(&worker, frame.as_bytes());
        let shown = &frame[..frame.len().min(100)];
        assert_eq!(
            (failure.code, failure.id.as_str(), failure.request_type.as_str()),
            (Some(*code), *id, *request_type),
            "{shown}: {}",
            failure.msg
        );
        assert!(!failure.msg.is_empty() && failure.msg.len() < 500, "{shown}: {}", failure.msg);
    }
    for request in ["GetTip", "ComputeTask", "DeploySecretContract", "SignBatch", "GetPTTRequest", "PTTResponse"] {
        let frame = format!(r#"{{"id":"1","type":"{request}"}}"#);
        assert_eq!(failure(&network.km, frame.as_bytes()).code, Some(17));
    }
    for request in ["SetLedgerView", "SignEpoch", "AnswerPTTRequest"] {
        let frame = format!(r#"{{"id":"1","type":"{request}","input":{{}}}}"#);
        assert_eq!(failure(&network.km, frame.as_bytes()).code, Some(3));
    }
    let garbage = r#"{"id":"1","type":"AnswerPTTRequest","input":{"request":"00","workerSig":"$"}}"#;
    let frame = garbage.replace('$', &"00".repeat(65));
    assert_eq!(failure(&network.km, frame.as_bytes()).code, Some(3));
}

#[test]
fn what_the_published_set_writes_is_read() {
    let (mut network, _, worker) = network();
    let sc = network.deployed(&worker, &contract(), b"x");
    let address = hex::encode(sc.0);
    let cases = [
        r#"{"id":"a","type":"GetRegistrationParams"}"#.to_owned(),
        r#"{"type":"GetAllTips","id":"a"}"#.to_owned(),
        r#"{"id":"a","type":"GetAllAddrs","unknown":{"x":[1,2]}}"#.to_owned(),
        format!(r#"{{"id":"a","type":"GetTip","input":["{address}"]}}"#),
        format!(r#"{{"id":"a","type":"GetTip","input":"0x{address}"}}"#),
        format!(r#"{{"id":"a","type":"GetTips","input":["{address}"]}}"#),
        format!(r#"{{"id":"a","type":"GetDelta","input":[{{"address":"{address}","key":0}}]}}"#),
        format!(r#"{{"id":"a","type":"GetDelta","input":[{{"address":"{}","key":"0"}}]}}"#, address.to_uppercase()),
        format!(r#"{{"id":"a","type":"GetDeltas","input":[{{"address":"{address}","from":0,"to":0}}]}}"#),
        format!(r#"{{"id":"a","type":"GetContract","input":"{address}"}}"#),
    ];
    for frame in cases {
        let reply: serde_json::Value = serde_json::from_slice(&worker.handle(frame.as_bytes())).unwrap();
        assert_eq!(reply["id"], "a");
        assert!(frame.contains(reply["type"].as_str().unwrap()));
        assert!(reply["result"].is_object(), "{frame}: {reply}");
    }
    // Bytes are arrays of numbers, identifiers hexadecimal without a prefix.
    let tip = format!(r#"{{"id":"a","type":"GetTips","input":["{address}"]}}"#);
    let reply: serde_json::Value = serde_json::from_slice(&worker.handle(tip.as_bytes())).unwrap();
    assert_eq!(reply["result"]["tips"][0]["address"], address);
    assert!(reply["result"]["tips"][0]["data"][0].is_u64());
}

#[test]
fn frames_without_bound() {
    let (_, _, worker) = network();
    for frame in [vec![b' '; 100 << 20], vec![b'['; 100 << 20], vec![0xff; 17 << 20]] {
        let failure = failure(&worker, &frame);
        assert_eq!((failure.code, failure.id.as_str(), failure.request_type.as_str()), (Some(4), "", "Error"));
    }
    let long_id = format!(r#"{{"id":"{}","type":"GetAllAddrs"}}"#, "x".repeat(257));
    assert_eq!(failure(&worker, long_id.as_bytes()).code, Some(4));
    let long_type = format!(r#"{{"id":"1","type":"{}"}}"#, "é".repeat(1 << 20));
    let failure = failure(&worker, long_type.as_bytes());
    assert_eq!((failure.code, failure.request_type.len()), (Some(2), 256));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_bytes_have_a_reply(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let (network, _, worker) = network();
        for machine in [&worker as &dyn Machine, &network.km] {
            let reply: Failure = serde_json::from_slice(&machine.handle(&bytes)).unwrap();
            prop_assert!(reply.code.is_some());
        }
    }
}

/// One valid frame of each type, changed at random places.
#[test]
fn changed_frames_have_a_reply() {
    let (mut network, _, worker) = network();
    let sc = network.deployed(&worker, &contract(), b"x");
    let call = network.call(&worker, sc, enigma_protocol::Address([1; 20]), "get()", b"");
    let ptt = key_request(&worker, 1, &[sc]);
    let requests = [
        call.request(),
        Request::GetTip { input: one(sc) },
        Request::AnswerPTTRequest { input: ptt.clone() },
        Request::PTTResponse { input: network.answer(ptt).unwrap() },
        Request::SetLedgerView { input: network.view(&[sc]) },
        Request::SignEpoch { input: network.epoch_input(2) },
        encryption_key_request(sc, 1),
        Request::GetContract { input: enigma_protocol::ipc::OneOrMany::Many(vec![Hex(sc)]) },
    ];
    let mut rng = UserRng(42);
    let mut draw = |bound: usize| {
        use enigma_protocol::sealing::rand_core::TryRng;
        rng.try_next_u64().unwrap() as usize % bound
    };
    for request in requests {
        let frame = serde_json::to_vec(&enigma_protocol::ipc::RequestFrame::new("1", request)).unwrap();
        for _ in 0..150 {
            let mut changed = frame.clone();
            for _ in 0..=draw(3) {
                match draw(3) {
                    0 => {
                        let place = draw(changed.len());
                        changed[place] = draw(256) as u8;
                    }
                    1 => changed.truncate(draw(changed.len()) + 1),
                    _ => {
                        let place = draw(changed.len());
                        changed.remove(place);
                        changed.push(b'}');
                    }
                }
            }
            for machine in [&worker as &dyn Machine, &network.km] {
                let reply: serde_json::Value = serde_json::from_slice(&machine.handle(&changed)).unwrap();
                assert!(reply["id"].is_string() && reply["type"].is_string());
            }
        }
    }
}
