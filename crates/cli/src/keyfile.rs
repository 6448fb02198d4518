//! Files that hold a private key: nobody but their owner may read them.

use anyhow::{Context, bail};
use std::{
    fs::{File, OpenOptions},
    io::{Read, Write},
    path::Path,
};
use zeroize::Zeroizing;

/// A key in hexadecimal with its prefix, a line break, and room for somebody's blanks.
const MAX_KEY_FILE_BYTES: u64 = 256;

/// Writes a new file that only its owner can read.
///
/// # Errors
/// The file is there already or cannot be written.
pub fn write_private(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let write = || {
        let mut file = options.open(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().with_context(|| format!("cannot write the key file {}", path.display()))
}

/// Reads 32 bytes from a file of hexadecimal digits, with or without `0x`.
///
/// # Errors
/// The file is missing, may be read by others, or holds no key. The text never repeats what is in the file.
pub fn read_hex_key(path: &Path) -> anyhow::Result<Zeroizing<[u8; 32]>> {
    let name = path.display();
    let file = File::open(path).with_context(|| format!("cannot open the key file {name}"))?;
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::MetadataExt::mode(&file.metadata()?);
        if mode & 0o077 != 0 {
            bail!("others may read the key file {name} (mode {:03o}); run: chmod 600 {name}", mode & 0o777);
        }
    }
    let mut text = Zeroizing::new(String::new());
    file.take(MAX_KEY_FILE_BYTES)
        .read_to_string(&mut text)
        .with_context(|| format!("cannot read the key file {name}"))?;
    let digits = text.trim();
    let mut key = Zeroizing::new([0; 32]);
    if hex::decode_to_slice(digits.strip_prefix("0x").unwrap_or(digits), key.as_mut_slice()).is_err() {
        bail!("the key file {name} must hold 64 hexadecimal digits and nothing else");
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_file_is_private_and_holds_one_key() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        write_private(&path, format!("0x{}\n", "ab".repeat(32)).as_bytes()).unwrap();
        assert_eq!(*read_hex_key(&path).unwrap(), [0xab; 32]);
        assert!(write_private(&path, b"again").is_err());

        for (name, text) in [("short", "abcd"), ("other", "hello"), ("long", &"ab".repeat(33))] {
            let path = directory.path().join(name);
            write_private(&path, text.as_bytes()).unwrap();
            let error = read_hex_key(&path).unwrap_err().to_string();
            assert!(error.contains("64 hexadecimal digits") && !error.contains(text), "{error}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_key_file_that_others_may_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        write_private(&path, "ab".repeat(32).as_bytes()).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(read_hex_key(&path).unwrap_err().to_string().contains("chmod 600"));
    }
}
