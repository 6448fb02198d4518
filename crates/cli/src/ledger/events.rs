//! From a log of the Enigma contract to a value for the mind.

use alloy::{primitives::B256, rpc::types::Log, sol_types::SolEvent};
use enigma_client::ledger::bindings::Enigma;
use enigma_node::LedgerEvent;
use enigma_protocol::{Address, Hash, ScAddress, TaskId, record::Record, selection::EpochParameters};

/// The events that the mind is told about; the others (money, registration details) concern nobody's work.
pub const SIGNATURES: [B256; 8] = [
    Enigma::TaskRecorded::SIGNATURE_HASH,
    Enigma::BatchCommitted::SIGNATURE_HASH,
    Enigma::RecordsExpired::SIGNATURE_HASH,
    Enigma::EpochStarted::SIGNATURE_HASH,
    Enigma::WorkerStaked::SIGNATURE_HASH,
    Enigma::WorkerLoggedIn::SIGNATURE_HASH,
    Enigma::WorkerLoggedOut::SIGNATURE_HASH,
    Enigma::KeyManagerRegistered::SIGNATURE_HASH,
];

/// A log that the contract of this version does not write.
#[derive(Debug, thiserror::Error)]
#[error("a log of the Enigma contract cannot be read: {0}")]
pub struct UnreadableLog(String);

fn unreadable(error: impl ToString) -> UnreadableLog {
    UnreadableLog(error.to_string())
}

/// Reads one log.
///
/// # Errors
/// [`UnreadableLog`] for an event not in [`SIGNATURES`] or with other fields: the contract is of another version.
pub fn event(log: &Log) -> Result<LedgerEvent, UnreadableLog> {
    let signature = *log.topic0().ok_or_else(|| unreadable("it has no topic"))?;
    match signature {
        Enigma::TaskRecorded::SIGNATURE_HASH => task_recorded(log),
        Enigma::BatchCommitted::SIGNATURE_HASH => {
            let event = decode::<Enigma::BatchCommitted>(log)?;
            Ok(LedgerEvent::BatchCommitted {
                sc: ScAddress(event.sc.0),
                epoch: event.epoch,
                signer: Address(event.signer.into()),
                first_record_index: event.firstRecordIndex,
                record_count: event.recordCount,
                delta_count: event.deltaCount,
                tip: Hash(event.tip.0),
                exe_code_hash: Hash(event.exeCodeHash.0),
            })
        }
        Enigma::RecordsExpired::SIGNATURE_HASH => {
            let event = decode::<Enigma::RecordsExpired>(log)?;
            Ok(LedgerEvent::RecordsExpired {
                sc: ScAddress(event.sc.0),
                epoch: event.epoch,
                first_record_index: event.firstRecordIndex,
                record_count: event.recordCount,
            })
        }
        Enigma::EpochStarted::SIGNATURE_HASH => {
            let event = decode::<Enigma::EpochStarted>(log)?;
            let parameters = EpochParameters {
                epoch: event.epoch,
                seed: Hash(event.seed.0),
                workers_root: Hash(event.workersRoot.0),
                total_stake: event.totalStake,
            };
            Ok(LedgerEvent::EpochStarted { parameters, first_block: event.firstBlock })
        }
        Enigma::WorkerStaked::SIGNATURE_HASH => {
            let event = decode::<Enigma::WorkerStaked>(log)?;
            Ok(LedgerEvent::WorkerStaked { signer: Address(event.signer.into()), stake: event.stake })
        }
        Enigma::WorkerLoggedIn::SIGNATURE_HASH => {
            let event = decode::<Enigma::WorkerLoggedIn>(log)?;
            Ok(LedgerEvent::WorkerLoggedIn { signer: Address(event.signer.into()) })
        }
        Enigma::WorkerLoggedOut::SIGNATURE_HASH => {
            let event = decode::<Enigma::WorkerLoggedOut>(log)?;
            Ok(LedgerEvent::WorkerLoggedOut { signer: Address(event.signer.into()) })
        }
        Enigma::KeyManagerRegistered::SIGNATURE_HASH => {
            let event = decode::<Enigma::KeyManagerRegistered>(log)?;
            Ok(LedgerEvent::KeyManagerRegistered { signer: Address(event.signer.into()) })
        }
        other => Err(unreadable(format!("unknown event {other}"))),
    }
}

fn decode<E: SolEvent>(log: &Log) -> Result<E, UnreadableLog> {
    E::decode_log_data(log.data()).map_err(unreadable)
}

fn task_recorded(log: &Log) -> Result<LedgerEvent, UnreadableLog> {
    let event = decode::<Enigma::TaskRecorded>(log)?;
    let record = Record {
        sc: ScAddress(event.sc.0),
        sender: Address(event.sender.into()),
        sender_nonce: event.senderNonce,
        inputs_hash: Hash(event.inputsHash.0),
        timestamp: event.timestamp,
        prevrandao: Hash(event.prevrandao.to_be_bytes()),
        inlined: false,
        gas_limit: event.gasLimit,
        gas_price: event.gasPrice,
        value: event.value,
        call_gas: event.callGas,
        epoch: event.epoch,
        block_number: log.block_number.ok_or_else(|| unreadable("it is in no block"))?,
        due: event.due,
        record_index: event.recordIndex,
    };
    Ok(LedgerEvent::TaskRecorded {
        task_id: TaskId(event.taskId.0),
        record,
        pre_code_hash: Hash(event.preCodeHash.0),
        entry: event.entry,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::primitives::{Address as EthAddress, LogData, U256};

    fn log(data: LogData) -> Log {
        Log {
            inner: alloy::primitives::Log { address: EthAddress::repeat_byte(9), data },
            block_number: Some(17),
            ..Log::default()
        }
    }

    #[test]
    fn a_recorded_task_keeps_all_its_fields() {
        let recorded = Enigma::TaskRecorded {
            sc: B256::repeat_byte(1),
            taskId: B256::repeat_byte(2),
            sender: EthAddress::repeat_byte(3),
            senderNonce: 4,
            inputsHash: B256::repeat_byte(5),
            preCodeHash: B256::repeat_byte(6),
            timestamp: 7,
            prevrandao: U256::from(8),
            gasLimit: 9,
            gasPrice: 10,
            value: 11,
            callGas: 12,
            epoch: 13,
            due: 14,
            recordIndex: 15,
            entry: 16,
        };
        let mut prevrandao = Hash::ZERO;
        prevrandao.0[31] = 8;
        let record = Record {
            sc: ScAddress([1; 32]),
            sender: Address([3; 20]),
            sender_nonce: 4,
            inputs_hash: Hash([5; 32]),
            timestamp: 7,
            prevrandao,
            inlined: false,
            gas_limit: 9,
            gas_price: 10,
            value: 11,
            call_gas: 12,
            epoch: 13,
            block_number: 17,
            due: 14,
            record_index: 15,
        };
        let expected =
            LedgerEvent::TaskRecorded { task_id: TaskId([2; 32]), record, pre_code_hash: Hash([6; 32]), entry: 16 };
        assert_eq!(event(&log(recorded.encode_log_data())).unwrap(), expected);
    }

    #[test]
    fn logs_of_another_contract_are_refused() {
        let deposited = Enigma::Deposited { account: EthAddress::ZERO, amount: 1 };
        assert!(event(&log(deposited.encode_log_data())).is_err());
        let cut = LogData::new_unchecked(vec![Enigma::TaskRecorded::SIGNATURE_HASH], vec![0; 8].into());
        assert!(event(&log(cut)).is_err());
        assert!(event(&log(LogData::default())).is_err());
    }
}
