//! What nodes say to each other, and the only place where their bytes are parsed.
//!
//! A message travels as one request whose answer is an empty acknowledgement; which reply belongs to which request is said
//! by the ids in the messages. An id is chosen by the requester, means something to that peer only, and a reply to an id
//! that nobody waits for is ignored. Decoding is strict: one value has one encoding, and every field has a bound.

use crate::limits::{MAX_EVIDENCE_BYTES, MAX_PTT_BYTES, MAX_TEXT_BYTES, MAX_USER_KEY_BYTES};
use borsh::{BorshDeserialize, BorshSerialize};
use enigma_protocol::{
    Address, Hash, ScAddress, TaskId,
    limits::{MAX_MESSAGE_BYTES, MAX_PRE_CODE_BYTES},
    receipt::Receipt,
    signature::Signature,
    task::{InvalidInput, TaskInput},
};

/// One message between nodes.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[allow(clippy::large_enum_variant, reason = "messages are handled one at a time")]
pub enum Message {
    /// The first message on a connection, from both sides.
    Hello(Hello),
    /// A user node asks a worker for its input key.
    KeyRequest(KeyRequest),
    /// The worker's answer.
    KeyReply {
        /// The request's.
        id: u64,
        /// The key, or why there is none.
        result: Result<InputKey, String>,
    },
    /// The input of a recorded task, for its worker.
    Input(TaskInput),
    /// What became of a task.
    Outcome(Outcome),
    /// Asks a worker for the outcome of a task.
    GetOutcome {
        /// The task.
        task_id: TaskId,
    },
    /// A worker asks a key manager for keys.
    PttRequest {
        /// Chosen by the worker.
        id: u64,
        /// The envelope that its core made.
        request: Vec<u8>,
        /// Its core's signature.
        worker_sig: Signature,
    },
    /// The key manager's answer.
    PttReply {
        /// The request's.
        id: u64,
        /// The envelope, or why there is none.
        result: Result<Vec<u8>, String>,
    },
}

/// Who speaks. Nothing of it is believed: a key is checked by the worker's signature, keys by the core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Hello {
    /// What the node does.
    pub role: PeerRole,
    /// The signing address of its enclave.
    pub signer: Option<Address>,
}

/// What a peer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum PeerRole {
    /// Serves clients.
    User = 0,
    /// Computes.
    Worker = 1,
    /// Hands out keys.
    KeyManager = 2,
}

/// Asks for an input key.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct KeyRequest {
    /// Chosen by the requester.
    pub id: u64,
    /// The contract.
    pub sc: ScAddress,
    /// The epoch.
    pub epoch: u64,
    /// A key of the user's choice that the signature covers; may be empty.
    pub user_pub_key: Vec<u8>,
}

/// A worker's input key with its evidence.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct InputKey {
    /// The public input key.
    pub worker_encryption_key: Hash,
    /// The worker's signature over [`enigma_protocol::ipc::input_key_message`].
    pub worker_sig: Signature,
    /// Who signs.
    pub signer: Address,
    /// Evidence that binds the key to the enclave.
    pub evidence: Vec<u8>,
}

/// The signed result of a task.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Outcome {
    /// The receipt.
    pub receipt: Receipt,
    /// The worker's signature over it.
    pub signature: Signature,
    /// The sealed output; empty when the input did not open.
    pub encrypted_output: Vec<u8>,
}

/// Bytes that are no message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMessage {
    /// More than any message has.
    #[error("a message of {0} bytes is larger than the {MAX_MESSAGE_BYTES} allowed")]
    TooLarge(usize),
    /// Not the encoding of a message.
    #[error("the bytes are no message of this version")]
    Encoding,
    /// A field is longer than its bound.
    #[error("{field} has {bytes} bytes, more than the {limit} allowed")]
    Field {
        /// Which.
        field: &'static str,
        /// Its length.
        bytes: usize,
        /// Its bound.
        limit: usize,
    },
    /// A task input that no honest node sends.
    #[error(transparent)]
    Input(#[from] InvalidInput),
}

impl Message {
    /// The bytes that travel.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Writing to memory cannot fail.
        borsh::to_vec(self).unwrap_or_default()
    }

    /// Parses a message and checks the bounds of its fields.
    ///
    /// # Errors
    /// [`InvalidMessage`] for everything but the one encoding of a message within its bounds.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidMessage> {
        if bytes.len() > MAX_MESSAGE_BYTES {
            return Err(InvalidMessage::TooLarge(bytes.len()));
        }
        let message: Self = borsh::from_slice(bytes).map_err(|_| InvalidMessage::Encoding)?;
        message.check()?;
        Ok(message)
    }

    fn check(&self) -> Result<(), InvalidMessage> {
        match self {
            Self::Hello(_) | Self::GetOutcome { .. } => Ok(()),
            Self::KeyRequest(request) => bound("the user key", request.user_pub_key.len(), MAX_USER_KEY_BYTES),
            Self::KeyReply { result: Ok(key), .. } => bound("the evidence", key.evidence.len(), MAX_EVIDENCE_BYTES),
            Self::KeyReply { result: Err(text), .. } | Self::PttReply { result: Err(text), .. } => {
                bound("the text", text.len(), MAX_TEXT_BYTES)
            }
            Self::Input(input) => Ok(input.validate()?),
            Self::Outcome(outcome) => bound("the output", outcome.encrypted_output.len(), MAX_PRE_CODE_BYTES),
            Self::PttRequest { request, .. } => bound("the key request", request.len(), MAX_PTT_BYTES),
            Self::PttReply { result: Ok(response), .. } => bound("the key answer", response.len(), MAX_PTT_BYTES),
        }
    }
}

fn bound(field: &'static str, bytes: usize, limit: usize) -> Result<(), InvalidMessage> {
    if bytes > limit { Err(InvalidMessage::Field { field, bytes, limit }) } else { Ok(()) }
}

/// Text of somebody else, shortened and without control characters, fit for a log line or a reply.
pub(crate) fn plain_text(text: &str) -> String {
    let mut plain = String::new();
    for character in text.chars().filter(|character| !character.is_control()) {
        if plain.len().saturating_add(character.len_utf8()) > MAX_TEXT_BYTES {
            break;
        }
        plain.push(character);
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};

    fn messages() -> impl Strategy<Value = Message> {
        let bytes = || vec(any::<u8>(), 0..200);
        let text = "[ -~]{0,40}";
        prop_oneof![
            (0u8..3, any::<Option<[u8; 20]>>()).prop_map(|(role, signer)| Message::Hello(Hello {
                role: [PeerRole::User, PeerRole::Worker, PeerRole::KeyManager][usize::from(role)],
                signer: signer.map(Address),
            })),
            (any::<u64>(), any::<[u8; 32]>(), any::<u64>(), bytes()).prop_map(|(id, sc, epoch, user_pub_key)| {
                Message::KeyRequest(KeyRequest { id, sc: ScAddress(sc), epoch, user_pub_key })
            }),
            (any::<u64>(), text).prop_map(|(id, text)| Message::KeyReply { id, result: Err(text) }),
            (any::<u64>(), any::<[u8; 32]>(), bytes()).prop_map(|(id, key, evidence)| Message::KeyReply {
                id,
                result: Ok(InputKey {
                    worker_encryption_key: Hash(key),
                    worker_sig: Signature([7; 65]),
                    signer: Address([1; 20]),
                    evidence,
                }),
            }),
            (any::<[u8; 32]>(), any::<[u8; 32]>(), bytes(), bytes()).prop_map(|(task, sc, name, arguments)| {
                Message::Input(TaskInput {
                    task_id: TaskId(task),
                    sc: ScAddress(sc),
                    epoch: 1,
                    suite: 1,
                    encrypted_fn: name,
                    encrypted_args: arguments,
                    user_dh_key: vec![1; 32],
                    pre_code: None,
                })
            }),
            any::<[u8; 32]>().prop_map(|task| Message::GetOutcome { task_id: TaskId(task) }),
            (any::<u64>(), bytes()).prop_map(|(id, request)| Message::PttRequest {
                id,
                request,
                worker_sig: Signature([9; 65])
            }),
            (any::<u64>(), bytes()).prop_map(|(id, response)| Message::PttReply { id, result: Ok(response) }),
        ]
    }

    proptest! {
        #[test]
        fn round_trip(message in messages()) {
            prop_assert_eq!(Message::from_bytes(&message.to_bytes()), Ok(message));
        }

        #[test]
        fn any_bytes_are_refused_or_canonical(bytes in vec(any::<u8>(), 0..400)) {
            if let Ok(message) = Message::from_bytes(&bytes) {
                prop_assert_eq!(message.to_bytes(), bytes);
            }
        }

        #[test]
        fn a_changed_message_is_refused_or_canonical(message in messages(), at in any::<usize>(), bit in 0u8..8) {
            let mut bytes = message.to_bytes();
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            if let Ok(other) = Message::from_bytes(&bytes) {
                prop_assert_eq!(other.to_bytes(), bytes);
            }
        }
    }

    #[test]
    fn bounds_hold() {
        let long = Message::PttReply { id: 1, result: Err("x".repeat(MAX_TEXT_BYTES + 1)) };
        assert!(matches!(Message::from_bytes(&long.to_bytes()), Err(InvalidMessage::Field { .. })));
        // A length prefix that promises more than there is must not allocate it.
        let mut lying = vec![1];
        lying.extend([0; 48]);
        lying.extend(u32::MAX.to_le_bytes());
        assert_eq!(Message::from_bytes(&lying), Err(InvalidMessage::Encoding));
        assert_eq!(
            Message::from_bytes(&vec![0; MAX_MESSAGE_BYTES + 1]),
            Err(InvalidMessage::TooLarge(MAX_MESSAGE_BYTES + 1))
        );
    }

    #[test]
    fn texts_of_others_are_tamed() {
        assert_eq!(plain_text("a\u{1b}[31mb\nc"), "a[31mbc");
        assert!(plain_text(&"é".repeat(MAX_TEXT_BYTES)).len() <= MAX_TEXT_BYTES);
    }
}
