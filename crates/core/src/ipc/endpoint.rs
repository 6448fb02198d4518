//! Where the core listens: `tcp://127.0.0.1:5552` or `ipc:///path/to/socket`.

use std::{
    fmt, fs, io,
    net::{Ipv4Addr, SocketAddr},
    os::unix::fs::{FileTypeExt, PermissionsExt},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    str::FromStr,
};
use tokio::net::{TcpListener, UnixListener};

/// An address in ZeroMQ's notation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// `tcp://ADDRESS:PORT`; port 0 is any free one.
    Tcp(SocketAddr),
    /// `ipc://PATH`, a local socket.
    Ipc(PathBuf),
}

/// A text that is no endpoint.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected tcp://127.0.0.1:PORT (0 for any free port) or ipc://PATH; a TCP host is written as an IP address")]
pub struct InvalidEndpoint;

/// Why nothing listens at an endpoint.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    #[error("{0} is in use; stop the program that listens there, or choose another --endpoint")]
    InUse(Endpoint),
    #[error("{0} exists and is not a socket; remove it, or choose another --endpoint")]
    NotASocket(PathBuf),
    #[error("cannot listen at {endpoint}: {source}; choose another --endpoint")]
    Other { endpoint: Endpoint, source: io::Error },
}

impl FromStr for Endpoint {
    type Err = InvalidEndpoint;

    fn from_str(text: &str) -> Result<Self, InvalidEndpoint> {
        if let Some(path) = text.strip_prefix("ipc://") {
            return if path.is_empty() { Err(InvalidEndpoint) } else { Ok(Self::Ipc(path.into())) };
        }
        let (host, port) = text.strip_prefix("tcp://").and_then(|rest| rest.rsplit_once(':')).ok_or(InvalidEndpoint)?;
        let port = port.parse().map_err(|_| InvalidEndpoint)?;
        let address = match host {
            "localhost" => Ipv4Addr::LOCALHOST.into(),
            "*" => Ipv4Addr::UNSPECIFIED.into(),
            _ => host.trim_matches(['[', ']']).parse().map_err(|_| InvalidEndpoint)?,
        };
        Ok(Self::Tcp(SocketAddr::new(address, port)))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "tcp://{address}"),
            Self::Ipc(path) => write!(f, "ipc://{}", path.display()),
        }
    }
}

/// A bound endpoint.
pub struct Listener {
    /// Where it listens, with the port that was chosen.
    pub endpoint: Endpoint,
    pub(super) socket: Socket,
}

pub(super) enum Socket {
    Tcp(TcpListener),
    Ipc(UnixListener),
}

impl Endpoint {
    /// Whether only this machine reaches it.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().is_loopback(),
            Self::Ipc(_) => true,
        }
    }

    /// Listens. A socket file that a killed process left behind is replaced; one that somebody listens on is not.
    ///
    /// # Errors
    /// See [`BindError`].
    pub async fn bind(self) -> Result<Listener, BindError> {
        let failed = |endpoint: &Self, source: io::Error| match source.kind() {
            io::ErrorKind::AddrInUse => BindError::InUse(endpoint.clone()),
            _ => BindError::Other { endpoint: endpoint.clone(), source },
        };
        match &self {
            Self::Tcp(address) => {
                let listener = TcpListener::bind(address).await.map_err(|error| failed(&self, error))?;
                let bound = listener.local_addr().map_err(|error| failed(&self, error))?;
                Ok(Listener { endpoint: Self::Tcp(bound), socket: Socket::Tcp(listener) })
            }
            Self::Ipc(path) => {
                self.remove_stale(path)?;
                let listener = UnixListener::bind(path).map_err(|error| failed(&self, error))?;
                let owner_only = fs::Permissions::from_mode(0o600);
                fs::set_permissions(path, owner_only).map_err(|error| failed(&self, error))?;
                Ok(Listener { endpoint: self, socket: Socket::Ipc(listener) })
            }
        }
    }

    fn remove_stale(&self, path: &Path) -> Result<(), BindError> {
        let other = |source| BindError::Other { endpoint: self.clone(), source };
        match fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(other(error)),
            Ok(found) if !found.file_type().is_socket() => return Err(BindError::NotASocket(path.into())),
            Ok(_) => {}
        }
        match UnixStream::connect(path) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path).map_err(other),
            Err(error) => Err(other(error)),
            Ok(_) => Err(BindError::InUse(self.clone())),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Endpoint::Ipc(path) = &self.endpoint {
            // Nothing is lost when it stays: the next start removes it.
            let _ = fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_read_and_printed() {
        let check = |text: &str, printed: Option<&str>, local: bool| {
            let endpoint = text.parse::<Endpoint>();
            assert_eq!(endpoint.as_ref().ok().map(ToString::to_string).as_deref(), printed, "{text}");
            assert_eq!(endpoint.is_ok_and(|endpoint| endpoint.is_local()), local, "{text}");
        };
        check("tcp://127.0.0.1:5552", Some("tcp://127.0.0.1:5552"), true);
        check("tcp://localhost:0", Some("tcp://127.0.0.1:0"), true);
        check("tcp://[::1]:7", Some("tcp://[::1]:7"), true);
        check("tcp://*:7", Some("tcp://0.0.0.0:7"), false);
        check("tcp://192.0.2.1:7", Some("tcp://192.0.2.1:7"), false);
        check("ipc://run/core", Some("ipc://run/core"), true);
        for text in
            ["", "ipc://", "tcp://", "tcp://127.0.0.1", "tcp://127.0.0.1:70000", "tcp://a.example:1", "http://x"]
        {
            check(text, None, false);
        }
    }

    #[tokio::test]
    async fn only_what_nobody_listens_on_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let endpoint = Endpoint::Ipc(folder.path().join("core"));
        let Endpoint::Ipc(path) = &endpoint else { unreachable!() };

        drop(std::os::unix::net::UnixListener::bind(path).unwrap());
        let listener = endpoint.clone().bind().await.expect("a stale socket file is replaced");
        assert!(matches!(endpoint.clone().bind().await, Err(BindError::InUse(_))));
        drop(listener);
        assert!(!path.exists());

        fs::write(path, "precious").unwrap();
        assert!(matches!(endpoint.clone().bind().await, Err(BindError::NotASocket(_))));
        assert_eq!(fs::read(path).unwrap(), b"precious");
    }
}
