//! JSON-RPC 2.0 to a node.

use enigma_protocol::{
    limits::MAX_MESSAGE_BYTES,
    rpc::{RpcError, codes},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::time::Duration;

/// A node answers within this time or counts as unreachable; above the node's own time limits.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// A request that got no result.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// No answer at all.
    #[error("the node at {url} does not answer: {source}. Is it running, and is the address right?")]
    Unreachable {
        /// Its address.
        url: String,
        /// What went wrong.
        source: reqwest::Error,
    },
    /// An answer that is no JSON-RPC.
    #[error("what answers at {url} is not an Enigma node: {reason}")]
    NotANode {
        /// Its address.
        url: String,
        /// What was wrong with the answer.
        reason: String,
    },
    /// The node refused.
    #[error("the node refused: {} (code {})", .0.message, .0.code)]
    Refused(RpcError),
}

impl NodeError {
    /// Whether the same request may succeed later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::NotANode { .. } => false,
            // Inputs that somebody else invented for this task stand in the way only until its record is seen.
            Self::Refused(error) => {
                matches!(error.code, codes::WORKER_OFFLINE | codes::BUSY | codes::WRONG_EPOCH | codes::INPUT_CONFLICT)
            }
        }
    }
}

/// A connection to one node.
#[derive(Clone, Debug)]
pub struct NodeClient {
    url: String,
    http: reqwest::Client,
}

#[derive(Serialize)]
struct Call<'a, P> {
    jsonrpc: &'static str,
    id: u64,
    method: &'a str,
    params: &'a P,
}

#[derive(Deserialize)]
struct Answer<R> {
    result: Option<R>,
    error: Option<RpcError>,
}

impl NodeClient {
    /// A client of the node at `url`, such as `http://127.0.0.1:8546`.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), http: reqwest::Client::new() }
    }

    /// Calls one method; parameters and results are those of [`enigma_protocol::rpc`].
    ///
    /// # Errors
    /// [`NodeError`].
    pub async fn call<P: Serialize, R: DeserializeOwned>(&self, method: &str, params: &P) -> Result<R, NodeError> {
        let unreachable = |source| NodeError::Unreachable { url: self.url.clone(), source };
        let not_a_node = |reason: String| NodeError::NotANode { url: self.url.clone(), reason };
        let body = Call { jsonrpc: "2.0", id: 1, method, params };
        let request = self.http.post(&self.url).timeout(REQUEST_TIMEOUT).json(&body);
        let mut response = request.send().await.map_err(unreachable)?;
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if bytes.len() + chunk.len() > MAX_MESSAGE_BYTES {
                return Err(not_a_node("the answer is larger than any of the protocol".into()));
            }
            bytes.extend(chunk);
        }
        let answer: Answer<R> = serde_json::from_slice(&bytes).map_err(|error| not_a_node(error.to_string()))?;
        match (answer.result, answer.error) {
            (Some(result), None) => Ok(result),
            (_, Some(error)) => Err(NodeError::Refused(error)),
            (None, None) => Err(not_a_node("the answer has neither result nor error".into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_else_hands_over_first_does_not_end_a_task() {
        let refused = |code| NodeError::Refused(RpcError { code, message: String::new() }).is_retryable();
        assert!(refused(codes::INPUT_CONFLICT), "bogus inputs in front of the record");
        assert!(refused(codes::BUSY) && refused(codes::WORKER_OFFLINE) && refused(codes::WRONG_EPOCH));
        assert!(!refused(codes::INPUT_MISMATCH) && !refused(codes::INVALID_PARAMS));
    }
}
