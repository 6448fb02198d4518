//! Answers to clients that do not depend on the role.

use crate::{
    interface::{ClientId, Event, Role},
    limits::MAX_USER_KEY_BYTES,
    message::InputKey,
    shared::Shared,
    tasks::{Accepted, Refused, Source},
};
use enigma_protocol::{
    ScAddress, TaskId,
    json::{Hex0x, U64, U128},
    rpc::{
        ComputedTask, NodeInfo, PathStepJson, Response, RpcError, TaskInputJson, TaskResult, TaskStatus, WorkerKey,
        codes,
    },
    selection::SelectionProof,
    task::{SUITE_X25519, TaskInput},
};

pub(crate) fn error(code: i32, message: impl Into<String>) -> RpcError {
    RpcError { code, message: message.into() }
}

pub(crate) fn info(shared: &Shared) -> Response {
    let config = &shared.config;
    let (role, signer) = match config.role {
        Role::User => ("user", None),
        Role::Worker { signer } => ("worker", Some(signer)),
        Role::KeyManager { signer } => ("km", Some(signer)),
    };
    Response::Info(NodeInfo {
        version: config.version.clone(),
        role: role.into(),
        network_id: config.domain.network_id(),
        chain_id: U64(config.domain.chain_id),
        enigma: Hex0x(config.domain.enigma),
        block_number: U64(shared.ledger.newest.map_or(0, |newest| newest.number)),
        epoch: U64(shared.ledger.epoch()),
        peer_id: config.peer_id.clone(),
        peers: shared.peers.keys().map(ToString::to_string).collect(),
        signer: signer.map(Hex0x),
    })
}

pub(crate) fn status(shared: &Shared, task: TaskId) -> Response {
    Response::Status(TaskStatus { task_id: Hex0x(task), state: shared.tasks.state(task) })
}

pub(crate) fn result(shared: &Shared, task: TaskId) -> TaskResult {
    let outcome = shared.tasks.get(task).and_then(|task| task.outcome.as_ref());
    TaskResult {
        task_id: Hex0x(task),
        state: shared.tasks.state(task),
        result: outcome.map(|outcome| ComputedTask {
            receipt: (&outcome.receipt).into(),
            signature: Hex0x(outcome.signature),
            encrypted_output: Hex0x(outcome.encrypted_output.clone()),
        }),
    }
}

/// Takes an input from a client and answers it; gives the task when its input is now complete.
pub(crate) fn take_input(
    shared: &mut Shared,
    client: ClientId,
    json: TaskInputJson,
    is_deployment: bool,
) -> Option<TaskId> {
    if json.pre_code.is_some() != is_deployment {
        let text = if is_deployment {
            "a deployment needs preCode, the contract's module"
        } else {
            "a call has no preCode; use deploySecretContract to deploy"
        };
        shared.out.reply(client, Err(error(codes::INVALID_PARAMS, text)));
        return None;
    }
    let input = TaskInput::from(json);
    let (task, current) = (input.task_id, shared.ledger.epoch());
    match shared.tasks.offer(&mut shared.out, &Source::Clients, input, current) {
        Ok(accepted) => {
            let response = status(shared, task);
            shared.out.reply(client, Ok(response));
            (accepted == Accepted::Matched).then_some(task)
        }
        Err(refused) => {
            let code = match &refused {
                Refused::Invalid(_) => codes::INVALID_PARAMS,
                Refused::Mismatch(_) => codes::INPUT_MISMATCH,
                Refused::WrongEpoch { .. } => codes::WRONG_EPOCH,
                Refused::Conflict => codes::INPUT_CONFLICT,
                Refused::Busy => codes::BUSY,
            };
            shared.out.report(Event::InputRefused { task_id: task, reason: refused.to_string() });
            shared.out.reply(client, Err(error(code, refused.to_string())));
            None
        }
    }
}

/// The worker that a client asks for, or why it is not told.
pub(crate) fn select(
    shared: &Shared,
    sc: ScAddress,
    epoch: u64,
    user_pub_key: &[u8],
) -> Result<SelectionProof, RpcError> {
    if user_pub_key.len() > MAX_USER_KEY_BYTES {
        let text = format!("userPubKey has {} bytes, more than {MAX_USER_KEY_BYTES}", user_pub_key.len());
        return Err(error(codes::INVALID_PARAMS, text));
    }
    let current = shared.ledger.epoch();
    if current == 0 {
        return Err(error(codes::WRONG_EPOCH, "no epoch has started on this network yet; try again later"));
    }
    if epoch != current {
        let text = format!("epoch {epoch} is not the current one; this node is in epoch {current}");
        return Err(error(codes::WRONG_EPOCH, text));
    }
    shared.ledger.select(epoch, sc).ok_or_else(|| {
        error(
            codes::WORKER_OFFLINE,
            format!("the workers of epoch {epoch} are not known to this node; try again later"),
        )
    })
}

pub(crate) fn worker_key(sc: ScAddress, epoch: u64, key: InputKey, selection: SelectionProof) -> Response {
    Response::WorkerKey(WorkerKey {
        sc: Hex0x(sc),
        epoch: U64(epoch),
        suite: SUITE_X25519,
        worker_encryption_key: Hex0x(key.worker_encryption_key),
        worker_sig: Hex0x(key.worker_sig),
        signer: Hex0x(key.signer),
        evidence: Hex0x(key.evidence),
        rank: selection.rank,
        stake: U128(selection.worker.stake),
        path: selection.path.iter().map(PathStepJson::from).collect(),
    })
}
